// Light, dark, or whatever the system says.

import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";

const KEY = "holdall.theme";
const ORDER: Theme[] = ["system", "light", "dark"];

/** The theme that was chosen on this device. */
export const theme = signal<Theme>(remembered());

/** Keeps the document and the device's memory in step with the choice. */
export function applyTheme(): void {
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
    if (theme.value === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme.value);
  });
}

/** Moves on to the next theme. */
export function nextTheme(): void {
  theme.value = ORDER[(ORDER.indexOf(theme.value) + 1) % ORDER.length] ?? "system";
}

function remembered(): Theme {
  const stored = localStorage.getItem(KEY);
  return stored === "light" || stored === "dark" ? stored : "system";
}
