// The console as a person meets it: by eye, by keyboard, by screen reader, with and without a server.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ADMIN, openBrowser, openHouse, openPage } from "./house.mjs";

/** Most that may be sent until the first page can be seen. */
const FIRST_PAINT_BYTES = 120_000;

let house;
let browser;

before(async () => {
  [house, browser] = await Promise.all([openHouse(), openBrowser()]);
});

after(async () => {
  await browser?.close();
  await house?.close();
});

/** Opens the console at `path`, hands it over, and expects that nothing went wrong in it. */
async function visit(path, options, look) {
  const visit = await openPage(browser, house.url + path, options);
  try {
    await look(visit.page, visit.requests);
    assert.deepEqual(visit.faults, []);
    for (const request of visit.requests) {
      assert.ok(request.url().startsWith(house.url), `asked somebody else: ${request.url()}`);
    }
  } finally {
    await visit.close();
  }
}

test("the status page says how the server is", () =>
  visit("/_/", {}, async (page) => {
    await page.getByRole("heading", { name: /All is well|Working, with trouble/ }).waitFor();
    await page.getByRole("heading", { name: /^Store/ }).waitFor();
    await page.getByText("API is healthy.").waitFor();
    assert.equal(await page.title(), "Status · Holdall");
    assert.equal(await page.getByRole("link", { name: "Status", exact: true }).getAttribute("aria-current"), "page");
  }));

test("the start page leads to the console", () =>
  visit("/", {}, async (page) => {
    await page.getByRole("heading", { name: "Holdall is running" }).waitFor();
    await page.getByRole("link", { name: /^Console/ }).click();
    await page.getByRole("heading", { level: 1, name: /All is well|Working, with trouble/ }).waitFor();
  }));

test("the first page is small", () =>
  visit("/_/", {}, async (page, requests) => {
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle");
    const sizes = await Promise.all(
      requests
        .filter((request) => new URL(request.url()).pathname.startsWith("/_/"))
        .map(async (request) => (await request.sizes()).responseBodySize),
    );
    const sum = sizes.reduce((total, size) => total + size, 0);
    assert.ok(sizes.length >= 3 && sum > 5_000, `${sizes}`);
    assert.ok(sum <= FIRST_PAINT_BYTES, `${sum} bytes`);
  }));

test("a wrong password is refused in words, the right one signs in and out", () =>
  visit("/_/sign-in", {}, async (page) => {
    await page.getByLabel("Email").fill(ADMIN.email);
    await page.getByLabel("Password").fill("wrong");
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("don't belong together").waitFor();

    await page.getByLabel("Password").fill(ADMIN.password);
    await page.keyboard.press("Enter");
    await page.getByText(ADMIN.email).waitFor();

    await page.reload();
    await page.getByText(ADMIN.email).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.equal(await page.evaluate(() => localStorage.getItem("holdall.session")), null);
  }));

test("a session that the server does not know is forgotten", () =>
  visit("/_/", {}, async (page) => {
    await page.evaluate(() =>
      localStorage.setItem("holdall.session", JSON.stringify({ token: "made.up.token", email: "eve@example.com" })),
    );
    await page.reload();
    await page.getByRole("link", { name: "Sign in" }).first().waitFor();
    assert.equal(await page.evaluate(() => localStorage.getItem("holdall.session")), null);
  }));

test("a superuser looks through collections in the language of the API", () =>
  visit("/_/sign-in", {}, async (page) => {
    const { token } = await ask("/api/collections/_superusers/auth-with-password", {
      identity: ADMIN.email,
      password: ADMIN.password,
    });
    await ask("/api/collections", { name: "notes", fields: [{ name: "title", type: "text" }, { name: "n", type: "number" }] }, token);
    for (let n = 1; n <= 31; n += 1) await ask("/api/collections/notes/records", { title: `Note ${n}`, n }, token);

    await page.getByLabel("Email").fill(ADMIN.email);
    await page.getByLabel("Password").fill(ADMIN.password);
    await page.keyboard.press("Enter");
    await page.getByRole("navigation").getByRole("link", { name: "Collections" }).click();
    await page.getByRole("row", { name: /^notes base title, n 31$/ }).getByRole("link").click();
    await page.getByText("1–30 of 31").waitFor();
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("31–31 of 31").waitFor();

    await page.getByLabel("Filter").fill("n > 20 && title ~ '3'");
    await page.getByLabel("Sort").fill("-n");
    await page.keyboard.press("Enter");
    await page.getByText("1–3 of 3").waitFor();
    const titles = await page.locator("tbody td:nth-child(2)").allTextContents();
    assert.deepEqual(titles, ["Note 31", "Note 30", "Note 23"]);

    await page.getByRole("button", { name: /^[a-z0-9]{15}$/ }).first().click();
    await page.getByRole("dialog").getByText('"title": "Note 31"').waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });

    await page.getByLabel("Filter").fill("nonsense >");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: /\w/ }).waitFor();
    assert.deepEqual(await page.evaluate(faint), []);
    assert.deepEqual(await page.evaluate(nameless), []);
  }));

/** Asks the API beside the page. */
async function ask(path, body, token = "") {
  const response = await fetch(house.url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: token },
    body: JSON.stringify(body),
  });
  assert.equal(response.status, 200, path);
  return response.json();
}

test("every place can be opened by its address, and left again", () =>
  visit("/_/docs/api", {}, async (page) => {
    await page.getByRole("heading", { level: 1, name: "API at a glance" }).waitFor();
    await page.getByRole("navigation").getByRole("link", { name: "Status" }).click();
    await page.getByRole("heading", { level: 1, name: /All is well|Working, with trouble/ }).waitFor();
    assert.equal(new URL(page.url()).pathname, "/_/");
    await page.goBack();
    await page.getByRole("heading", { level: 1, name: "API at a glance" }).waitFor();
    await page.goto(`${house.url}/_/no-such-place`);
    await page.getByRole("heading", { name: "Nothing here" }).waitFor();
  }));

test("the keyboard is enough", () =>
  visit("/_/", {}, async (page) => {
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Skip to content");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Status");
    await page.getByRole("navigation").getByRole("link", { name: "Reference" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name: "Reference" }).waitFor();
    await page.waitForFunction(() => document.activeElement?.id === "main");
  }));

function focused(page) {
  return page.evaluate(() => document.activeElement?.textContent?.trim());
}

for (const path of ["/_/", "/_/sign-in", "/_/docs", "/_/docs/api"]) {
  test(`${path} can be read by everybody, in both themes`, async () => {
    for (const colorScheme of ["light", "dark"]) {
      await visit(path, { colorScheme, reducedMotion: "reduce" }, async (page) => {
        await page.getByRole("heading", { level: 1 }).waitFor();
        await page.waitForLoadState("networkidle");
        assert.equal(await page.getByRole("main").count(), 1);
        assert.deepEqual(await page.evaluate(nameless), []);
        assert.deepEqual(await page.evaluate(faint), [], colorScheme);
      });
    }
  });
}

test("a narrow window needs no sideways scrolling", () =>
  visit("/_/", { viewport: { width: 340, height: 700 } }, async (page) => {
    await page.getByRole("heading", { level: 1 }).waitFor();
    const { scroll, client } = await page.evaluate(() => ({
      scroll: document.documentElement.scrollWidth,
      client: document.documentElement.clientWidth,
    }));
    assert.ok(scroll <= client, `${scroll} in ${client}`);
  }));

test("the theme is chosen here and remembered", () =>
  visit("/_/", { colorScheme: "light" }, async (page) => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.getByRole("heading", { level: 1 }).waitFor();
    const light = await ground();
    const button = page.getByRole("button", { name: /^Theme/ });
    await button.click();
    assert.equal(await ground(), light);
    await button.click();
    assert.notEqual(await ground(), light);
    await page.reload();
    await page.getByRole("button", { name: "Theme: dark. Change it" }).waitFor();
  }));

test("a server that went away is missed, not a reason to break", async () => {
  const lost = await openHouse();
  const { page, close } = await openPage(browser, `${lost.url}/_/`);
  await page.getByRole("heading", { level: 1, name: /All is well|Working, with trouble/ }).waitFor();
  await lost.close();
  await page.getByRole("heading", { level: 1, name: "Out of reach" }).waitFor();
  await close();
});

/** In the page: whatever can be operated but has no name. */
function nameless() {
  return [...document.querySelectorAll("a, button, input, select, textarea")]
    .filter((element) => {
      const label = element.getAttribute("aria-label") || element.textContent?.trim() || element.labels?.[0]?.textContent;
      return !label?.trim();
    })
    .map((element) => element.outerHTML);
}

/** In the page: text with less contrast against its ground than WCAG AA asks for. */
function faint() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const pixel = (colour, under) => {
    canvas.fillStyle = `rgb(${under.join(" ")})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const ground = (element) => {
    const under = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
    return pixel(getComputedStyle(element).backgroundColor, under);
  };
  const light = (colour) => {
    const [red, green, blue] = colour.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim());
    if (!text || element.closest("svg, noscript") || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const under = ground(element);
    const [dark, bright] = [light(under), light(pixel(style.color, under))].sort((a, b) => a - b);
    const ratio = (bright + 0.05) / (dark + 0.05);
    const isLarge = parseFloat(style.fontSize) >= 24;
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${ratio.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
  }
  return found;
}
