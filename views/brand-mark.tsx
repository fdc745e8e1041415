import type { JSX } from 'preact';

/** The mark: a signature under a signature. The icon in `assets/` is the same drawing. */
export const BrandMark = (): JSX.Element => (
  <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
    <rect class="mark-ground" width="32" height="32" rx="8" />
    <path class="mark-first" d="M7 12.5h18" />
    <path class="mark-second" d="M7 20.5l4.2 4L25 15.5" />
  </svg>
);
