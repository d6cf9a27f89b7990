// The page of examples/web in a real browser, which has to be let in by the service, and a page of
// another origin, which must not be.

import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import puppeteer from "puppeteer-core";

const { BROWSER, INTERACTIONS_ADDR, INTERACTIONS_API_KEY, INTERACTIONS_WEB_PORT } = process.env;
const service = `http://${INTERACTIONS_ADDR}`;
const build = new URL("../../../examples/web/build/", import.meta.url);
const EXPECTED = [
  "recorded 320 in batches; of the first batch again, 80 were there",
  "found 128 clicks and purchases near the top, with either form of the filter",
  "read 75, left, and read 245 more: each of 320 once",
  "refused: INVALID_REQUEST of interactions",
  "  interactions[0].position: is never negative; it counts from 0",
  "  interactions[1].interaction_type: takes 1 to 16 names; got 0",
  "",
];
// Many times what it takes on a busy machine.
const LIMIT = 120_000;

let browser;
// One server, two origins: the service was told of the first.
const allowed = `http://127.0.0.1:${INTERACTIONS_WEB_PORT}/`;
const other = `http://localhost:${INTERACTIONS_WEB_PORT}/`;
const site = createServer((request, response) => {
  const file = { "/": "index.html", "/page.js": "page.js" }[request.url];
  if (!file) return response.writeHead(404).end();
  response.setHeader("content-type", file.endsWith(".js") ? "text/javascript" : "text/html");
  createReadStream(fileURLToPath(new URL(file, build))).pipe(response);
});

before(async () => {
  await new Promise((listening) => site.listen(Number(INTERACTIONS_WEB_PORT), "127.0.0.1", listening));
  // The sandbox takes rights that containers have not; nothing but our own page is opened.
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
  browser = await puppeteer.launch({ executablePath: BROWSER, args, timeout: LIMIT });
});

after(async () => {
  await browser?.close();
  site.close();
});

async function run(origin, key) {
  const page = await browser.newPage();
  const errors = [];
  page.on("console", (message) => errors.push(message.text()));
  await page.goto(origin, { timeout: LIMIT });
  const fill = (values) => {
    for (const [name, value] of Object.entries(values)) document.forms[0].elements[name].value = value;
    document.forms[0].requestSubmit();
  };
  await page.evaluate(fill, { address: service, key, namespace: "web" });
  const output = await page.waitForSelector("pre[data-ended]", { timeout: LIMIT });
  const printed = await output.evaluate((element) => element.textContent);
  await page.close();
  return { printed, errors };
}

test("a page of an origin that is allowed does all that gRPC-Web can", async () => {
  const { printed, errors } = await run(allowed, INTERACTIONS_API_KEY);
  assert.deepEqual(printed.split("\n"), EXPECTED, errors.join("\n"));
});

test("a page reads why it was refused", async () => {
  const { printed } = await run(allowed, "sk_wrong");
  assert.match(printed, /^failed: \[unauthenticated\] /);
});

test("a page of another origin is kept out by the browser", async () => {
  const { printed, errors } = await run(other, INTERACTIONS_API_KEY);
  assert.match(printed, /^failed: /);
  assert.ok(errors.some((text) => text.includes("CORS policy")), errors.join("\n"));
});

test("lists reach the page as they are made, as text too", async () => {
  // What older clients speak: frames in base64.
  const answer = await fetch(`${service}/interactions.v1.InteractionService/ListInteractions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${INTERACTIONS_API_KEY}`,
      "content-type": "application/grpc-web-text",
      accept: "application/grpc-web-text",
      "x-namespace": "web",
      "x-grpc-web": "1",
      origin: allowed.slice(0, -1),
    },
    body: Buffer.alloc(5).toString("base64"),
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get("access-control-allow-origin"), allowed.slice(0, -1));
  assert.match(answer.headers.get("access-control-expose-headers"), /grpc-status-details-bin/);
  const frames = Buffer.concat((await answer.text()).match(/[^=]+={0,2}/g).map((part) => Buffer.from(part, "base64")));
  assert.match(frames.toString("latin1"), /grpc-status:\s?0/);
});

test("HTTP that is no gRPC-Web is refused", async () => {
  for (const [method, type] of [["GET"], ["POST", "application/json"], ["POST", "application/grpc"]]) {
    const headers = type ? { "content-type": type } : {};
    const answer = await fetch(`${service}/interactions.v1.InteractionService/ListInteractions`, { method, headers });
    assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${type}: ${answer.status}`);
  }
});
