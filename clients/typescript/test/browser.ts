// The client in Chromium, in a page of another origin than the portal's.
//
//     node built/test/browser.js http://127.0.0.1:8000 8001 hana@example.jp password /usr/bin/chromium
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { chromium } from "playwright-core";

const [, , baseUrl = "", port = "", email = "", password = "", executablePath = ""] = process.argv;
const built = new URL("../src/", import.meta.url);
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"];

/** Serve an empty page, and the compiled client next to it. */
const server = createServer((request, response) => {
  const name = /^\/client\/([a-z]+\.js)$/.exec(request.url ?? "")?.[1];
  if (name === undefined) {
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>A shop</title>");
    return;
  }
  readFile(new URL(name, built)).then(
    (text) => response.writeHead(200, { "content-type": "text/javascript" }).end(text),
    () => response.writeHead(404).end(),
  );
});

/** What a page of the shop does. It runs in the browser. */
const visit = `async ({ baseUrl, email, password }) => {
  const { createPortal } = await import("/client/index.js");
  const portal = createPortal({ baseUrl });
  const steps = [];
  await portal.logIn({ body: { email, password } });
  const stream = portal.events();
  const events = stream[Symbol.asyncIterator]();
  const heard = events.next();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const before = await portal.getProfile();
  const phone = before.phone.endsWith("1") ? "09011112222" : "09033334441";
  await portal.updateProfile({ body: { phone } });
  const after = await portal.getProfile();
  steps.push(after.phone !== before.phone ? "own change is visible" : "own change is missing");
  steps.push((await heard).value.kind);
  stream.close();
  const again = createPortal({ baseUrl });  // as after a reload: only the cookie is left
  steps.push((await again.getMe()).user.email);
  await again.openCase({ body: { subject: "From a browser", description: "Does it work?" } });
  const refusal = await again.placeOrder({ body: { items: [{ sku: "NOBODY-SELLS-THIS" }] } }).catch((error) => error);
  steps.push(refusal.code + " " + (refusal.requestId !== ""));
  await again.logOut();
  steps.push((await again.getMe().catch((error) => error)).code);
  return steps;
}`;

await new Promise<void>((resolve) => server.listen(Number(port), "127.0.0.1", resolve));
const browser = await chromium.launch({ executablePath, args: QUIET });
try {
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  const found = await page.evaluate(`(${visit})(${JSON.stringify({ baseUrl, email, password })})`);
  const [own, kind, whose, refused, left] = found as string[];
  assert.equal(own, "own change is visible");
  assert.match(kind ?? "", /\.changed$/);
  assert.equal(whose, email);
  assert.match(refused ?? "", / true$/);
  assert.equal(left, "not_authenticated");
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
  server.close();
}
