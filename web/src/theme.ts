/** Light or dark: as the system has it, or as was chosen here. */
import { effect, signal } from '@preact/signals';

const system = matchMedia('(prefers-color-scheme: dark)');
export const scheme = signal<'light' | 'dark'>(system.matches ? 'dark' : 'light');
system.addEventListener('change', () => {
  scheme.value = system.matches ? 'dark' : 'light';
});
effect(() => {
  document.documentElement.dataset['theme'] = scheme.value;
});
