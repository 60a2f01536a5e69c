// How the console is built: served under `/_/`, reference pages rendered at build time.

import { defineConfig } from "vite";
import { referencePages } from "./reference.js";

export default defineConfig({
  base: "/_/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  plugins: [referencePages()],
  build: {
    target: "es2022",
    // The page's security policy forbids inline scripts, and every browser it targets preloads modules itself.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    // `make dev`: the page from here, everything else from a Holdall on its usual port.
    proxy: Object.fromEntries(
      ["/api", "/health", "/ready", "/startup", "/metrics"].map((path) => [
        path,
        process.env.HOLDALL_URL ?? "http://127.0.0.1:8000",
      ]),
    ),
  },
});
