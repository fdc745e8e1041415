/** Who takes something back, and why: every revocation and every block has both. */
export type Author = {
  /** `TENANT/OBJECT` of a person who is signed in, `agent:ID`, or who the command line says it is. */
  readonly by: string;
  /** One line. */
  readonly reason: string;
};
