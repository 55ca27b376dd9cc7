// A customer's journey through a running portal. Strictly compiled: every field that is read has a type.
//
//     node built/test/journey.js http://127.0.0.1:8000 hana@example.jp password
import assert from "node:assert/strict";
import { createPortal, pages, PortalProblem, type EventKind, type Portal, type PortalEvent } from "../src/index.js";

const [, , baseUrl = "", email = "", password = ""] = process.argv;
const steps: string[] = [];
const done = (step: string): void => void steps.push(step);

/** A fetch that loses the answers for which `lose` says so, after the portal has worked. */
function losing(lose: (url: string, request: RequestInit) => boolean): typeof fetch {
  return async (url, request) => {
    const response = await fetch(url, request);
    if (!lose(String(url), request ?? {})) return response;
    await response.arrayBuffer();
    throw new TypeError("the connection was lost");
  };
}

/** A fetch that keeps the session's cookie as a browser does. */
function browserLike(): typeof fetch {
  let cookie = "";
  return async (url, request) => {
    const headers = new Headers(request?.headers);
    if (cookie !== "") headers.set("cookie", cookie);
    const response = await fetch(url, { ...request, headers });
    const set = response.headers.getSetCookie()[0];
    if (set !== undefined) cookie = set.split(";")[0] ?? "";
    return response;
  };
}

async function basket(portal: Portal) {
  const vpn = await portal.getAccountCategory({ category: "vpn" });
  const plan = vpn.plans.find((each) => each.availability.available);
  const fee = vpn.activation_fees[0];
  assert(plan !== undefined && fee !== undefined);
  return { items: [{ sku: plan.product.sku }, { sku: fee.sku }], configuration: { vpn_region: vpn.regions[0] ?? "USA-SF" } };
}

async function refused(call: Promise<unknown>): Promise<PortalProblem> {
  return call.then(
    () => assert.fail("it was accepted"),
    (error: unknown) => {
      assert(error instanceof PortalProblem, String(error));
      return error;
    },
  );
}

async function next(events: AsyncIterator<PortalEvent>, kind: EventKind): Promise<string> {
  for (;;) {
    const { value, done: ended } = await events.next();
    assert(!ended, "the stream ended");
    if (value.kind === kind) return value.id;
  }
}

async function shopping(): Promise<void> {
  const lost: string[] = [];
  const portal = createPortal({
    baseUrl,
    session: "bearer",
    fetch: losing((url, request) => {
      const first = url.endsWith("/api/orders") && request.method === "POST" && lost.length === 0;
      if (first) lost.push(new Headers(request.headers).get("idempotency-key") ?? "");
      return first;
    }),
  });
  const session = await portal.logIn({ body: { email, password } });
  assert.equal((await portal.getMe()).user.email, session.user.email);
  done("logged in");

  const stop = new AbortController();
  const events = portal.events({ signal: stop.signal })[Symbol.asyncIterator]();
  const announced = next(events, "order.changed");
  await new Promise((resolve) => setTimeout(resolve, 1000));

  const wanted = await basket(portal);
  const wrong = await refused(portal.placeOrder({ body: { ...wanted, items: wanted.items.slice(0, 1) } }));
  assert.equal(wrong.status, 422);
  assert(wrong.violations.length > 0 && wrong.requestId !== "");
  done(`refused with ${wrong.code}`);

  const count = async (): Promise<number> => {
    let found = 0;
    for await (const _ of pages((cursor) => portal.listOrders({ limit: 2, ...cursor }))) found++;
    return found;
  };
  const before = await count();
  const order = await portal.placeOrder({ body: wanted });
  assert.equal(lost.length, 1, "the first answer was lost");
  assert.equal(await count(), before + 1, "one order, although it was sent twice");
  assert.equal((await portal.getOrder({ order_id: order.order_id })).order_id, order.order_id);
  done("ordered once, although the first answer was lost");

  assert.equal(await announced, order.order_id);
  stop.abort();
  done("heard of the order in the stream");

  await portal.logOut();
  assert.equal((await refused(portal.getMe())).status, 401);
  done("logged out");
}

async function accountOverCookie(): Promise<void> {
  const portal = createPortal({ baseUrl, fetch: browserLike() });
  await portal.logIn({ body: { email, password } });
  const profile = await portal.getProfile();
  const phone = `090${String(Math.floor(Math.random() * 1e8)).padStart(8, "0")}`;
  await portal.updateProfile({ body: { phone } });
  const after = await portal.getProfile();
  assert.notEqual(after.phone, profile.phone);
  done("own change is visible at once, with cookie and CSRF token");

  const opened = await portal.openCase({ body: { subject: "A question", description: "Which region is fastest?" } });
  assert.equal((await portal.getCase({ case_id: opened.case_id })).subject, "A question");
  done("opened a case");
  await portal.logOut();
}

await shopping();
await accountOverCookie();
console.log(JSON.stringify(steps));
