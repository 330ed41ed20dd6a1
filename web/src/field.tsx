/** A field of a view's own, beside those of the model: its label, what is typed, and what it means or what is wrong. */
import type { Signal } from '@preact/signals';
import { clearErrors, fieldErrors } from './store';

export function Input({
  id,
  name,
  label,
  value,
  hint,
}: {
  id: string;
  name: string; // of its error among all
  label: string;
  value: Signal<string>;
  hint: string;
}) {
  const error = fieldErrors.value[name];
  return (
    <div class={`field ${error ? 'wrong' : ''}`}>
      <label for={id}>{label}</label>
      <input
        id={id}
        autocomplete="off"
        value={value.value}
        aria-invalid={error ? true : undefined}
        aria-describedby={`${id}-about`}
        onInput={(event) => {
          value.value = event.currentTarget.value;
          clearErrors(name);
        }}
      />
      <small id={`${id}-about`} class={error ? 'trouble' : 'hint'} role={error ? 'alert' : undefined}>
        {error ?? hint}
      </small>
    </div>
  );
}
