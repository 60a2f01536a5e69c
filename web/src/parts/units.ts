// Numbers as people read them.

const SIZES = ["B", "KiB", "MiB", "GiB", "TiB"];

/** `1536` is `1.5 KiB`. */
export function bytes(count: number): string {
  let size = count;
  let unit = 0;
  while (size >= 1024 && unit < SIZES.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size.toFixed(size < 10 && unit > 0 ? 1 : 0)} ${SIZES[unit]}`;
}

/** `93784` is `1 d 2 h`: the two largest units, no more. */
export function span(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor(whole / 3_600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "min"],
    [whole % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** `0.734` is `0.7 ms`, `12.3` is `12 ms`. */
export function milliseconds(elapsed: number): string {
  return `${elapsed.toFixed(elapsed < 10 ? 1 : 0)} ms`;
}
