/** What one of the lab's APIs is: its actions, each under one scope, on data that lives as long as the lab runs. */
import type { VerifiedAccessToken } from '../../src/resource-server/index.ts';

export type Environment = 'dev' | 'test' | 'prod';
export const ENVIRONMENTS: readonly Environment[] = ['dev', 'test', 'prod'];

export type ApiName = 'knowledge' | 'reports' | 'operations';

/** One call that got through. */
export type Call = {
  /** Variable parts of the path, decoded. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The JSON body; `{}` if there was none. */
  readonly body: unknown;
  readonly token: VerifiedAccessToken;
};

export type Answer = { readonly status: number; readonly body: unknown };

export type Action = {
  readonly scope: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Router pattern, such as `/articles/:id`. */
  readonly path: string;
  /** A path that fits the pattern and names something that is there. */
  readonly example: string;
  readonly perform: (call: Call) => Answer;
};

export type Api = {
  readonly name: ApiName;
  readonly title: string;
  readonly description: string;
  /** Scope -> what it does, in words for approvers. */
  readonly scopes: Readonly<Record<string, string>>;
  readonly defaultScopes: readonly string[];
  readonly sensitivity: Readonly<Record<Environment, 'low' | 'moderate' | 'high' | 'critical'>>;
  /** The actions of one environment, on data of its own. */
  readonly open: (environment: Environment) => readonly Action[];
};

export const found = (body: unknown): Answer => ({ status: 200, body });
export const created = (body: unknown): Answer => ({ status: 201, body });
export const notFound = (what: string): Answer => ({
  status: 404,
  body: { error: 'not_found', error_description: `there is no ${what}` },
});
