// The one list of pages. If it is not here, the console does not have it.

import { computed } from "@preact/signals";
import type { ComponentType } from "preact";
import { place } from "../router";
import { Collections } from "./collections";
import { Docs } from "./docs";
import { Missing } from "./missing";
import { SignIn } from "./sign-in";
import { Status } from "./status";

export interface Page {
  path: string;
  title: string;
  View: ComponentType;
  inNavigation: boolean;
}

export const pages: Page[] = [
  { path: "", title: "Status", View: Status, inNavigation: true },
  { path: "collections", title: "Collections", View: Collections, inNavigation: true },
  { path: "docs", title: "Reference", View: Docs, inNavigation: true },
  { path: "sign-in", title: "Sign in", View: SignIn, inNavigation: false },
];

const missing: Page = { path: "-", title: "Not found", View: Missing, inNavigation: false };

/** The page at the present place: the exact one, else the one whose folder it lies in. */
export const shown = computed(() => {
  const [folder = ""] = place.value.split("/");
  return pages.find((page) => page.path === place.value) ?? pages.find((page) => page.path === folder) ?? missing;
});
