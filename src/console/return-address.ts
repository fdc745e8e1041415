/** Where a sign-in leads back to: a path of this console, whatever else was asked for. */

/** Pages that people come from; the start for everything else. */
const OWN_PAGES = /^\/(?:approvals|requests|audit)(?:[/?][\w\-./~?=&:%]*)?$/;

/** The longest address of ours has a filter and a cursor. */
const ADDRESS_MAX_LENGTH = 1000;

/** `asked` if it is an address of one of our pages, else the start. Never leads away from here. */
export const returnAddress = (asked: string | undefined): string =>
  asked !== undefined && asked.length <= ADDRESS_MAX_LENGTH && OWN_PAGES.test(asked) && !asked.includes('//')
    ? asked
    : '/';
