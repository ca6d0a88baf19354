process.env.AWS_EXECUTION_ENV ??= 'AWS_Lambda_nodejs20.x';
const { default: chromium } = await import('@sparticuz/chromium');
const { default: puppeteer } = await import('puppeteer-core');
const path = await chromium.executablePath();
console.log(path, chromium.args.join(' '), process.env.LD_LIBRARY_PATH);
const b = await puppeteer.launch({ executablePath: path, args: chromium.args, headless: 'shell' });
console.log(await b.version());
const p = await b.newPage(); await p.setContent('<h1 style="font-family:system-ui">Hello</h1>'); await p.screenshot({ path: '/tmp/web/a.png' });
await b.close();
