// Takes the README's picture of the console: `node screenshot.mjs FILE`, against the built binary.

import { ADMIN, openBrowser, openHouse, openPage } from "./house.mjs";

/** Rounds that the status page asks before it is taken, so that its line has something to show. */
const LOOK_MS = 65_000;

const file = process.argv[2] ?? "../../web/docs/console.png";
const house = await openHouse();
const browser = await openBrowser();
try {
  const { page } = await openPage(browser, `${house.url}/_/sign-in`, {
    colorScheme: "light",
    reducedMotion: "reduce",
    viewport: { width: 1280, height: 620 },
  });
  await page.getByLabel("Email").fill(ADMIN.email);
  await page.getByLabel("Password").fill(ADMIN.password);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /^Memory/ }).waitFor();
  await page.waitForTimeout(LOOK_MS);
  await page.screenshot({ path: file });
} finally {
  await browser.close();
  await house.close();
}
