/** The form of a post: read before the session is looked at, so that what was typed is kept on whatever page answers. */
import type { RouterMiddleware } from '@koa/router';
import type { Form } from '../http/form.ts';
import { isUnseen } from '../registry/display-text.ts';
import type { ConsoleContext, ConsoleParts, ConsoleState } from './console-parts.ts';
import { formOf } from './guards.tsx';

/** Browsers send line breaks as CR LF; a reason is kept as it was typed. */
export const typedReason = (form: Form): string => (form.get('reason') ?? '').replaceAll('\r\n', '\n');

/** The reason that a form gives, without blanks around it; empty if nothing of it can be seen. */
export const reasonOf = (form: Form): string => {
  const reason = typedReason(form).trim();
  return isUnseen(reason) ? '' : reason;
};

/** Reads the form of a post; one that is malformed is answered here. Stands behind the check of the origin. */
export const readPost =
  (parts: ConsoleParts): RouterMiddleware<ConsoleState> =>
  async (context, next) => {
    const form = await formOf(parts, context);
    if (form === null) return;
    context.state.form = form;
    context.state.typed = typedReason(form);
    await next();
  };

/** The form of a route behind `readPost`. */
export const postedForm = ({ state }: ConsoleContext): Form => {
  if (state.form === null) throw new Error('a route without its form');
  return state.form;
};
