/** What a refusal is to an operator. Every table of reasons in this folder holds these, keyed by the reason's code. */

/** Two short sentences, as an operator reads them beside the code. */
export type Explanation = {
  /** What happened. */
  readonly meaning: string;
  /** What to do about it, and whose turn it is. */
  readonly advice: string;
};

/** What whoever was refused gets to see. */
export type ClientAnswer = {
  /** HTTP. */
  readonly status: number;
  /** The OAuth error, or the code on a page. */
  readonly error: string;
};
