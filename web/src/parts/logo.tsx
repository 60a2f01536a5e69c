// The bag.

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" class="logo-ground" />
      <path d="M11.5 13v-1.5a4.5 4.5 0 0 1 9 0V13" class="logo-strap" />
      <rect x="5.5" y="13" width="21" height="11" rx="4.5" class="logo-bag" />
      <path d="M11.5 13v11M20.5 13v11" class="logo-seam" />
    </svg>
  );
}
