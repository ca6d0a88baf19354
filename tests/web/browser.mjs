// A real headless Chromium, and what is held against every page that it opens.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { output } from "./world.mjs";

// The browser from npm brings its libraries along where it believes to be in a cloud function.
process.env.AWS_EXECUTION_ENV ??= "AWS_Lambda_nodejs20.x";
const { default: chromium } = await import("@sparticuz/chromium");
const { default: puppeteer } = await import("puppeteer-core");
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The most that a page may weigh, all in, in bytes. */
const HEAVIEST = 100_000;

export const DESKTOP = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

/** FORKABLE_CHROMIUM names another browser. */
export async function launch() {
  const executablePath = process.env.FORKABLE_CHROMIUM ?? (await chromium.executablePath());
  return puppeteer.launch({ executablePath, headless: "shell", args: ["--no-sandbox", "--no-zygote", "--disable-gpu"] });
}

/** A page that notes what it weighs and what goes wrong on it. */
export async function open(browser, url, { viewport = DESKTOP, scheme = "light", script = true } = {}) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.problems = [];
  page.weights = new Map();
  page.bodies = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) page.problems.push(`${message.text()} ${message.location().url ?? ""}`);
  });
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("response", (response) => {
    if (response.headers()["content-type"]?.startsWith("text/event-stream")) return;
    const head = Object.entries(response.headers()).join("\r\n").length;
    const note = (body) => page.weights.set(response.url(), body.length + head);
    // A page that was left takes its bodies with it.
    page.bodies.push(response.buffer().then(note, () => {}));
  });
  await page.setViewport(viewport);
  await page.setJavaScriptEnabled(script);
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "load" });
  return page;
}

/** Ends a page; it must have been a good one. */
export async function close(page) {
  assert.deepEqual(page.problems, [], "nothing is wrong on the console");
  await page.browserContext().close();
}

/** What the page weighs with all that belongs to it, heads included. */
export async function weighs(page) {
  await Promise.all(page.bodies);
  assert.ok([...page.weights.keys()].some((url) => url.endsWith(".css")), "what belongs to the page is weighed too");
  const weight = [...page.weights.values()].reduce((sum, it) => sum + it, 0);
  assert.ok(weight <= HEAVIEST, `${page.url()} weighs ${weight} bytes: ${JSON.stringify([...page.weights])}`);
  return weight;
}

/** Everybody can use it, as far as axe can tell; nothing sticks out at the side. */
export async function isAccessible(page) {
  // By the protocol, which a content security policy does not hold up.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  const told = violations.map((it) => `${it.id}: ${it.help}: ${it.nodes.map((node) => node.html).join(" | ")}`);
  assert.deepEqual(told, [], page.url());
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= page.viewport().width, `${page.url()} is ${width} wide in ${page.viewport().width}`);
}

/** Everything that can be clicked is reached by the keyboard, in order, and is seen to be. */
export async function isReachedByKeyboard(page) {
  const wanted = await page.evaluate(() => {
    const all = [...document.querySelectorAll("a[href], button, input:not([type=hidden]), summary, [tabindex='0']")];
    const shown = all.filter((it) => it.checkVisibility());
    shown.forEach((it, index) => (it.dataset.tab = index));
    document.activeElement?.blur();
    return shown.length;
  });
  const reached = [];
  for (let presses = 0; presses < wanted + 2; presses++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const it = document.activeElement;
      const style = getComputedStyle(it);
      const box = it.getBoundingClientRect();
      return { tab: it.dataset.tab, outline: style.outlineStyle !== "none" || style.boxShadow !== "none", top: box.top };
    });
    if (at.tab === undefined) break;
    assert.ok(at.outline, `focus on number ${at.tab} cannot be seen`);
    if (reached.includes(Number(at.tab))) break;
    reached.push(Number(at.tab));
  }
  assert.deepEqual(reached, [...Array(wanted).keys()], "everything is reached, in order");
}

/** Keeps a picture of a page as output of the test. */
export async function picture(page, name) {
  await mkdir(output, { recursive: true });
  await page.screenshot({ path: join(output, `${name}.png`), fullPage: true });
}

/** Opens a page as people do, with light and dark and on a phone; looks at each, and keeps pictures. */
export async function looksGood(browser, url, name) {
  const weights = [];
  for (const [suffix, options] of [
    ["light", {}],
    ["dark", { scheme: "dark" }],
    ["phone", { viewport: PHONE }],
    ["phone-dark", { viewport: PHONE, scheme: "dark" }],
  ]) {
    const page = await open(browser, url, options);
    weights.push(await weighs(page));
    await isAccessible(page);
    await picture(page, `${name}-${suffix}`);
    await close(page);
  }
  return Math.max(...weights);
}
