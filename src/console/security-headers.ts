/**
 * The headers of every page. Scripts run only with the response's nonce, which no text of a stranger can know, and
 * only through the one Trusted Types policy that htmx's own extension makes; nothing is framed, nothing is cached,
 * no form leads away. The referrer stays within the origin: with `no-referrer` a plain form would send `Origin: null`.
 */

const contentSecurityPolicy = (nonce: string): string =>
  [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types htmx',
  ].join('; ');

/** Headers of a page whose scripts carry `nonce`. */
export const securityHeaders = (nonce: string): Readonly<Record<string, string>> => ({
  'Content-Security-Policy': contentSecurityPolicy(nonce),
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cache-Control': 'no-store',
});
