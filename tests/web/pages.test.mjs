// The web page in a real browser: what it shows, what it weighs, and who can use it.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { close, isReachedByKeyboard, launch, looksGood, open, picture, weighs } from "./browser.mjs";
import { eventually, folderOf, remember, up } from "./world.mjs";

let browser, world;

/** Products in the order of the page, with how they stand. */
const shown = (page) =>
  page.$$eval(".fleet tbody tr", (rows) =>
    rows.map((row) => [row.querySelector(".name").textContent, row.querySelector(".state").textContent]),
  );

before(async () => {
  browser = await launch();
  const folder = await folderOf("products");
  remember(folder, "acme", "home", "rough");
  remember(folder, "evergreen", "evergreen.example.com", "steady");
  world = await up(folder);
  await eventually("what needs a person", async () => {
    return (await (await fetch(world.url)).text()).includes("2 products need a person");
  });
});

after(async () => {
  await browser?.close();
  await world?.stop();
});

test("the fleet is shown in the order of need", async () => {
  const page = await open(browser, world.url);
  await page.waitForSelector("#lamp.on");
  const names = ["Borealis", "Copycat", "Delta Notebooks", "Acme AI", "Evergreen", "Hidden Gem"];
  const states = ["Needs a person", "Needs a person", "Paused", "Healthy", "Healthy", "Healthy"];
  const expected = names.map((name, index) => [name, states[index]]);
  await eventually("every product at rest", async () => JSON.stringify(await shown(page)) === JSON.stringify(expected));
  assert.equal(await page.$eval("h1", (it) => it.textContent), "2 products need a person");
  assert.match(await page.title(), /^2 products need a person/);
  await close(page);
});

test("every page is light, accessible, and fits a phone", async () => {
  for (const [path, name] of [
    ["/", "fleet"],
    ["/forks/default/acme", "product"],
    ["/forks/default/borealis", "approval"],
    ["/forks/labs/delta", "suspended"],
    ["/status/default/acme", "status"],
    ["/?q=nothing+at+all", "nothing"],
    ["/forks/default/nobody", "not-found"],
  ]) {
    if (name === "not-found") {
      // The browser itself tells of a 404 on the console.
      assert.equal((await fetch(world.url + path)).status, 404);
      continue;
    }
    console.log(`${name}: ${await looksGood(browser, world.url + path, name)} bytes`);
  }
});

test("everything is reached by the keyboard", async () => {
  for (const path of ["/", "/forks/default/borealis", "/status/default/acme"]) {
    const page = await open(browser, world.url + path);
    if (!path.startsWith("/status")) await page.waitForSelector("#lamp.on");
    await isReachedByKeyboard(page);
    await close(page);
  }
  const page = await open(browser, world.url);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main", "the first thing skips to the content");
  await close(page);
});

test("it can be filtered without a script", async () => {
  const page = await open(browser, world.url, { script: false });
  await page.type("#q", "acme-internal");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  assert.equal(new URL(page.url()).search, "?q=acme-internal");
  assert.deepEqual((await shown(page)).map(([name]) => name), ["Acme AI"]);
  await page.goto(`${world.url}/?q=e`);
  await Promise.all([page.waitForNavigation(), page.click('.counts a[href*="show=person"]')]);
  assert.equal(new URL(page.url()).search, "?q=e&show=person");
  assert.deepEqual((await shown(page)).map(([name]) => name), ["Borealis", "Copycat"]);
  await close(page);
});

test("it is filtered while one types", async () => {
  const page = await open(browser, world.url);
  await page.type("#q", "evergr");
  await page.waitForFunction(() => document.querySelectorAll(".fleet tbody tr").length === 1);
  assert.equal(new URL(page.url()).search, "?q=evergr");
  assert.equal(await page.evaluate(() => document.activeElement.id), "q");
  await close(page);
});

test("an open page follows what happens, and keeps the focus where it was", async () => {
  const [fleet, product] = [await open(browser, world.url), await open(browser, `${world.url}/forks/default/evergreen`)];
  await Promise.all([fleet, product].map((page) => page.waitForSelector("#lamp.on")));
  await fleet.focus('a[href="/forks/default/evergreen"]');
  await fleet.evaluate(() => (globalThis.mark = "not loaded anew"));
  const file = join(world.folder, "fleet.yaml");
  const text = await readFile(file, "utf8");
  const suspended = text.replace("displayName: Evergreen\n", "displayName: Evergreen\n  suspend: { reason: the audit }\n");
  const began = Date.now();
  await writeFile(file, suspended);
  const row = (state) => [...document.querySelectorAll(".fleet tr")].some((it) => it.textContent.includes("Evergreen") && it.textContent.includes(state));
  await fleet.waitForFunction(row, {}, "suspended: the audit");
  console.log(`shown ${Date.now() - began} ms after the manifest was saved`);
  await product.waitForFunction(() => document.querySelector("#head").textContent.includes("suspended: the audit"));
  assert.match(await product.$eval(".commands code", (it) => it.textContent), /^forkable resume evergreen --dir /);
  assert.equal(await fleet.evaluate(() => document.activeElement.getAttribute("href")), "/forks/default/evergreen");
  assert.equal(await fleet.evaluate(() => globalThis.mark), "not loaded anew");
  await writeFile(file, text);
  await fleet.waitForFunction(row, {}, "Healthy");
  await close(fleet);
  await close(product);
});

test("a status page is for everybody, static and kept by caches", async () => {
  const url = `${world.url}/status/default/acme`;
  const answer = await fetch(url);
  const text = await answer.text();
  assert.equal(answer.headers.get("cache-control"), "public, max-age=60");
  assert.match(answer.headers.get("content-security-policy"), /^default-src 'none'; style-src 'self'/);
  for (const inside of ["internal", "framework", "<script", "deep-link", "acme.example.com", "default/", "1a2b"]) {
    assert.ok(!text.includes(inside), `${inside} in ${text}`);
  }
  for (const outside of ["Acme", "Website", "Last 90 days"]) assert.ok(text.includes(outside), outside);
  const same = await fetch(url, { headers: { "if-none-match": answer.headers.get("etag") } });
  // It may have become another minute.
  assert.ok(same.status === 304 || same.headers.get("etag") !== answer.headers.get("etag"));
  for (const path of ["/status/default/evergreen", "/status/default/nobody"]) {
    assert.equal((await fetch(world.url + path)).status, 404, "nobody asked for it");
  }
});

test("a product that goes down is seen to be, and to come back", async () => {
  const page = await open(browser, `${world.url}/forks/default/acme`);
  await page.waitForSelector("#lamp.on");
  await page.waitForFunction(() => document.querySelectorAll(".plot").length && document.querySelector(".dot.up"));
  assert.match(await page.$eval(".numbers", (it) => it.textContent), /90 days99\.\d\d %/);
  const commit = await page.$eval("tr.serves", (it) => it.dataset.commit);
  await world.admin("PUT", `degraded/${commit}`, { status: 500 });
  await page.waitForFunction(() => document.querySelector("h1 .state.down"));
  assert.match(await page.$eval(".callout", (it) => it.textContent), /(home|deep-link): answered 500/);
  await looksGood(browser, page.url(), "down");
  const fleet = await open(browser, world.url);
  assert.deepEqual((await shown(fleet))[0], ["Acme AI", "Down"], "it comes first");
  assert.match(await fleet.title(), /^1 product down, 2 more need a person/);
  await close(fleet);
  const status = () => fetch(`${world.url}/status/default/acme`).then((answer) => answer.text());
  await eventually("the status page", async () => (await status()).includes("Acme is down"), 70);
  await looksGood(browser, `${world.url}/status/default/acme`, "status-down");
  await world.admin("DELETE", `degraded/${commit}`);
  await page.waitForFunction(() => document.querySelector("h1 .state.well"));
  await close(page);
});

/** Asks as a page does that had its own name lead to this machine. */
const asHost = (url, host, headers = {}) =>
  new Promise((found, failed) => {
    const asked = request(url, { headers: { host, ...headers } }, (answer) => {
      let body = "";
      answer.on("data", (data) => (body += data));
      answer.on("end", () => found({ status: answer.statusCode, body, headers: answer.headers }));
    });
    asked.on("error", failed);
    asked.end();
  });

test("another name that leads to this machine gets nothing", async () => {
  for (const path of ["/", "/forks/default/acme", "/events", "/status/default/hidden"]) {
    const { status, body } = await asHost(world.url + path, "evil.example");
    assert.equal(status, 421, path);
    assert.ok(!body.includes("acme-internal") && !body.includes("Hidden"), body);
  }
  const local = await asHost(world.url, "localhost:1");
  assert.equal(local.status, 200);
});

test("with a token it asks for it, and status pages do not", async () => {
  const locked = await up(await folderOf("products"), { token: "let me in" });
  try {
    await eventually("the products", async () => (await fetch(`${locked.url}/status/default/acme`)).status === 200);
    for (const path of ["/", "/forks/default/acme", "/events", "/status/default/hidden"]) {
      const answer = await fetch(locked.url + path);
      assert.equal(answer.status, 401, path);
      assert.match(await answer.text(), /FORKABLE_WEB_TOKEN/);
    }
    const bearer = (token) => fetch(locked.url, { headers: { authorization: `Bearer ${token}` } });
    assert.equal((await bearer("let me i")).status, 401);
    assert.equal((await bearer("let me in")).status, 200);

    const page = await open(browser, `${locked.url}/forks/default/acme`);
    await picture(page, "sign-in");
    const enter = async (token) => {
      await page.type("#token", token);
      await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    };
    await enter("wrong");
    assert.match(await page.$eval("main", (it) => it.textContent), /not the token/);
    await enter("let me in");
    assert.equal(new URL(page.url()).pathname, "/forks/default/acme", "where one wanted to go");
    const [cookie] = await page.browserContext().cookies();
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.value.includes("let me in")], [true, "Strict", false]);
    await page.waitForSelector("#lamp.on");
    await Promise.all([page.waitForNavigation(), page.click(".tools button")]);
    assert.match(await page.$eval("main", (it) => it.textContent), /Sign in/);
    page.problems = page.problems.filter((problem) => !problem.includes("401"));
    await close(page);
  } finally {
    await locked.stop();
  }
});

test("an empty fleet teaches, and what comes is shown", async () => {
  const empty = await up(await folderOf());
  try {
    await eventually("the page", async () => (await fetch(empty.url)).status === 200);
    await looksGood(browser, empty.url, "empty");
    const page = await open(browser, empty.url);
    await page.waitForSelector("#lamp.on");
    const manifest = await page.$eval("pre", (it) => it.textContent);
    const mine = manifest.replace(/template:.*/, "template: { owner: forkable-ai, repo: framework }").replaceAll("your-org", "acme-inc");
    await writeFile(join(empty.folder, "acme.yaml"), mine);
    await page.waitForSelector(".fleet tr.well");
    assert.deepEqual(await shown(page), [["Acme", "Healthy"]], "what it teaches works");
    await close(page);
  } finally {
    await empty.stop();
  }
});

test("a large fleet is paged, each page light", async () => {
  const folder = await folderOf();
  const fork = (n) => `apiVersion: forkable.dev/v1alpha1
kind: Fork
metadata: { name: product-${String(n).padStart(3, "0")} }
spec:
  displayName: "A product with quite a long name, number ${n}"
  suspend: { reason: "waits for the budget of the next quarter, which is to be decided by the board in October" }
  template: { owner: forkable-ai, repo: framework }
  repository: { owner: acme-inc, name: product-${n} }
  project: { name: product-${n} }
`;
  await writeFile(join(folder, "many.yaml"), [...Array(120).keys()].map(fork).join("---\n"));
  const large = await up(folder);
  try {
    await eventually("all of them", async () => (await (await fetch(large.url)).text()).includes("1–50 of 120"));
    const page = await open(browser, `${large.url}/?page=2`);
    assert.equal((await shown(page)).length, 50);
    console.log(`50 of 120: ${await weighs(page)} bytes`);
    await Promise.all([page.waitForNavigation(), page.click('a[rel="next"]')]);
    assert.match(await page.$eval(".pages", (it) => it.textContent), /101–120 of 120/);
    assert.equal(await page.$('a[rel="next"]'), null);
    await close(page);
    // Open pages do not hold up the end.
    const watching = await open(browser, large.url);
    await watching.waitForSelector("#lamp.on");
    const took = await large.stop();
    assert.ok(took < 4000, `it took ${took} ms to end`);
    await watching.browserContext().close();
  } finally {
    await large.stop();
  }
});
