// The built binary on a free port with fresh data, and a browser beside it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { chromium } from "playwright-core";

const ROOT = new URL("../..", import.meta.url).pathname;
const BINARY = process.env.HOLDALL ?? join(ROOT, "target/debug/holdall");
const BROWSER = process.env.CHROMIUM ?? ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find(existsSync);

/** The superuser of every house. */
export const ADMIN = { email: "ada@example.com", password: "correct horse battery" };

/** Starts the binary and waits until it says that it is ready. */
export async function openHouse(...flags) {
  const folder = await mkdtemp(join(tmpdir(), "holdall-browser-"));
  const ready = join(folder, "ready.json");
  const server = spawn(
    BINARY,
    ["serve", "--listen", "127.0.0.1:0", "--data", join(folder, "data"), "--ready-file", ready, ...flags],
    {
      stdio: ["ignore", "ignore", "pipe"],
      env: { PATH: process.env.PATH, HOLDALL_ADMIN_EMAIL: ADMIN.email, HOLDALL_ADMIN_PASSWORD: ADMIN.password },
    },
  );
  let said = "";
  server.stderr.on("data", (text) => {
    said += text;
  });
  const url = await untilReady(ready, server, () => said);
  return {
    url,
    async close() {
      if (server.exitCode === null) {
        server.kill("SIGTERM");
        await once(server, "exit");
      }
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilReady(file, server, said) {
  for (let round = 0; round < 400; round += 1) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}:\n${said()}`);
    const text = await readFile(file, "utf8").catch(() => "");
    if (text) return JSON.parse(text).url;
    await pause(50);
  }
  throw new Error(`the server did not become ready:\n${said()}`);
}

/** Starts a browser. It has no sandbox of its own where it runs as root, and nothing but our pages to show. */
export function openBrowser() {
  if (!BROWSER) throw new Error("chromium is missing: apt-get install chromium");
  return chromium.launch({ executablePath: BROWSER, args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
}

/** Opens a page that remembers what went wrong in it, and what it asked for. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const faults = [];
  const requests = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // The browser reports every refused request itself; tests look at those where they mean them.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) faults.push(message.text());
  });
  page.on("request", (request) => requests.push(request));
  await page.goto(url);
  return { page, faults, requests, close: () => context.close() };
}
