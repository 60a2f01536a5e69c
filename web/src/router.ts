// Which page is shown: the address bar is the truth, links inside the console don't reload it.

import { computed, signal } from "@preact/signals";

/** Where the console lives; the server answers every extension-less path below it with the same page. */
const BASE = "/_/";

const address = signal(location.pathname);

/** The address below the console's own, without slashes at its ends: `""`, `docs/configuration`. */
export const place = computed(() => address.value.slice(BASE.length).replace(/\/+$/, ""));

/** The address of a place, for `href`. */
export function at(path: string): string {
  return BASE + path;
}

/** Goes to a place, as a click on its link would. */
export function go(path: string): void {
  open(at(path));
}

/** Makes plain clicks on links into the console change the place instead of loading a page. */
export function followClicks(): void {
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = (event.target as Element | null)?.closest("a");
    if (!link || link.target || link.hasAttribute("download")) return;
    // A last segment with a dot is a file, and the server's business.
    if (link.origin !== location.origin || !isPage(link.pathname)) return;
    if (link.hash && link.pathname === location.pathname) return;
    event.preventDefault();
    open(link.pathname + link.search + link.hash);
  });
  addEventListener("popstate", () => {
    address.value = location.pathname;
  });
}

function isPage(path: string): boolean {
  return path.startsWith(BASE) && !path.slice(path.lastIndexOf("/")).includes(".");
}

function open(target: string): void {
  if (target !== location.pathname + location.search + location.hash) {
    history.pushState(null, "", target);
  }
  address.value = location.pathname;
  scrollTo(0, 0);
  // Someone who can't see the page change hears where they are now.
  requestAnimationFrame(() => document.getElementById("main")?.focus());
}
