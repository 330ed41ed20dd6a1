/** Numbers as they are typed. */
import { PythonError } from './python';

/** What was typed, as a number; NaN where it is none. */
export const number = (typed: string) =>
  typed.trim() !== '' && Number.isFinite(Number(typed)) ? Number(typed) : Number.NaN;

/** What was typed, as a whole number. Throws what belongs to the field. */
export function wholeNumber(name: string, label: string, typed: string, least?: number): number {
  const found = number(typed);
  if (Number.isSafeInteger(found) && (least === undefined || found >= least)) return found;
  const bound = least === undefined ? '' : `, at least ${least}`;
  throw new PythonError(`${label} is '${typed}': it must be a whole number${bound}`, name, false);
}
