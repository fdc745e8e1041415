/** The three APIs of the lab, in the order of their ports. */
import type { Api } from './api.ts';
import { knowledge } from './knowledge.ts';
import { operations } from './operations.ts';
import { reports } from './reports.ts';

export const ALL_APIS: readonly Api[] = [knowledge, reports, operations];
