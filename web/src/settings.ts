/** The settings: what each field is, their presets, and how they stand in the page's address. */
import { effect, signal } from '@preact/signals';
import type { Wanted } from './protocol';

export type FieldKind = 'whole' | 'number' | 'optional' | 'optionalWhole' | 'switch' | readonly string[];

export interface Field {
  name: string;
  label: string;
  kind: FieldKind;
  initial: string;
  hint: string;
  more?: boolean; // among the options that are folded away at first
}

/** Fields of Config; what they mean in full, and what they may be, is said and checked in Python. */
export const FIELDS: readonly Field[] = [
  { name: 'n_embd', label: 'Width', kind: 'whole', initial: '16', hint: 'numbers per token; a multiple of the heads' },
  {
    name: 'n_head',
    label: 'Heads',
    kind: 'whole',
    initial: '4',
    hint: 'of attention, each with its share of the width',
  },
  { name: 'n_layer', label: 'Layers', kind: 'whole', initial: '1', hint: 'attention and perceptron, one on the other' },
  { name: 'block_size', label: 'Block', kind: 'whole', initial: '16', hint: 'characters that the model looks back' },
  { name: 'steps', label: 'Steps', kind: 'whole', initial: '1000', hint: 'one document each' },
  {
    name: 'learning_rate',
    label: 'Learning rate',
    kind: 'number',
    initial: '0.01',
    hint: 'falls to 0 at the last step',
  },
  { name: 'seed', label: 'Seed', kind: 'whole', initial: '42', hint: 'the same seed, the same losses' },
  {
    name: 'validation_split',
    label: 'Held out',
    kind: 'number',
    initial: '0',
    hint: 'share kept for validation',
    more: true,
  },
  { name: 'validate_every', label: 'Validate every', kind: 'whole', initial: '0', hint: 'steps; 0: never', more: true },
  { name: 'validation_documents', label: 'Validate on', kind: 'whole', initial: '20', hint: 'documents', more: true },
  {
    name: 'tied',
    label: 'Tied weights',
    kind: 'switch',
    initial: '',
    hint: 'one matrix for reading and writing',
    more: true,
  },
  {
    name: 'schedule',
    label: 'Schedule',
    kind: ['linear', 'cosine'],
    initial: 'linear',
    hint: 'of the rate',
    more: true,
  },
  {
    name: 'clip_norm',
    label: 'Clip gradients at',
    kind: 'optional',
    initial: '',
    hint: 'their norm; empty: never',
    more: true,
  },
  { name: 'weight_decay', label: 'Weight decay', kind: 'number', initial: '0', hint: 'as in AdamW', more: true },
  {
    name: 'bias_correction',
    label: 'Bias correction',
    kind: ['power', 'product'],
    initial: 'power',
    hint: 'of Adam',
    more: true,
  },
  { name: 'beta1', label: 'Beta 1', kind: 'number', initial: '0.85', hint: 'Adam: memory of the gradient', more: true },
  { name: 'beta2', label: 'Beta 2', kind: 'number', initial: '0.99', hint: 'Adam: memory of its square', more: true },
  { name: 'eps', label: 'Epsilon', kind: 'number', initial: '1e-8', hint: 'Adam: against division by 0', more: true },
  {
    name: 'init_std',
    label: 'Spread at the start',
    kind: 'number',
    initial: '0.08',
    hint: 'of the weights',
    more: true,
  },
  {
    name: 'top_k',
    label: 'Top k of samples',
    kind: 'optionalWhole',
    initial: '',
    hint: 'empty: all characters',
    more: true,
  },
  {
    name: 'rng',
    label: 'Random numbers',
    kind: ['mersenne', 'mulberry32'],
    initial: 'mersenne',
    hint: 'generator',
    more: true,
  },
  {
    name: 'gaussian',
    label: 'Normal numbers',
    kind: ['polar', 'trigonometric'],
    initial: 'polar',
    hint: 'of mulberry32',
    more: true,
  },
];

export interface Settings {
  data: string; // a list's name; OWN_TEXT: the user's own
  blocks: boolean; // the text is a running one, cut into blocks
  engine: string;
  values: Record<string, string>; // by field, as typed; a switch is '' or 'yes'
}

export const OWN_TEXT = 'own';
export const DEFAULT: Settings = {
  data: 'given_names',
  blocks: false,
  engine: 'compiled',
  values: Object.fromEntries(FIELDS.map((field) => [field.name, field.initial])),
};

/** Each is a change of the default. */
export const PRESETS: Record<string, Record<string, string>> = {
  default: {},
  tiny: { n_embd: '8', n_head: '2', block_size: '12', steps: '500' },
  large: { n_embd: '32', n_layer: '2', steps: '1000' },
  optimized: {
    tied: 'yes',
    schedule: 'cosine',
    clip_norm: '1',
    weight_decay: '0.01',
    bias_correction: 'product',
    validation_split: '0.1',
    validate_every: '100',
    top_k: '5',
  },
};

export function fromAddress(hash: string): Settings {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  const values = { ...DEFAULT.values };
  for (const { name } of FIELDS) values[name] = given.get(name) ?? values[name] ?? '';
  return {
    data: given.get('data') ?? DEFAULT.data,
    blocks: given.get('blocks') === 'yes',
    engine: given.get('engine') ?? DEFAULT.engine,
    values,
  };
}

export function toAddress(settings: Settings, tab: string): string {
  const given = new URLSearchParams();
  if (tab !== 'train') given.set('tab', tab);
  if (settings.data !== DEFAULT.data) given.set('data', settings.data);
  if (settings.blocks) given.set('blocks', 'yes');
  if (settings.engine !== DEFAULT.engine) given.set('engine', settings.engine);
  for (const { name, initial } of FIELDS)
    if (settings.values[name] !== initial) given.set(name, settings.values[name] ?? '');
  return String(given);
}

/** The settings as Python takes them: numbers where they are some, and else what was typed, which Python refuses. */
export function wanted(settings: Settings, own: { text: string; source: string }): Wanted {
  const options: Wanted['options'] = {};
  let steps: number | string = 0;
  for (const { name, kind, initial } of FIELDS) {
    const typed = (settings.values[name] ?? '').trim();
    if (name === 'steps') steps = number(typed);
    else if (typed === initial) continue;
    else if (kind === 'switch') options[name] = typed === 'yes';
    else if ((kind === 'optional' || kind === 'optionalWhole') && typed === '') options[name] = null;
    else options[name] = typeof kind === 'string' ? number(typed) : typed;
  }
  const isOwn = settings.data === OWN_TEXT;
  const list = PRESET_TEXTS[settings.data];
  return {
    data: settings.data,
    text: isOwn ? own.text : (list ?? null),
    blocks: isOwn && settings.blocks,
    engine: settings.engine,
    source: own.source,
    steps,
    options,
  };
}

function number(typed: string): number | string {
  return typed !== '' && Number.isFinite(Number(typed)) ? Number(typed) : typed;
}

/** Lists that are the playground's own, beside those that every command knows. */
export const PRESET_TEXTS: Record<string, string> = Object.fromEntries(
  Object.entries(import.meta.glob<string>('../presets/*.txt', { query: '?raw', import: 'default', eager: true })).map(
    ([path, text]) => [path.replace(/^.*\/(.*)\.txt$/, '$1'), text],
  ),
);

// what survives a reload and stands in no address: the user's own text and engine
function kept(name: string, initial: string) {
  let found: string | null = null;
  try {
    found = sessionStorage.getItem(name);
  } catch {
    // no storage here: nothing is kept
  }
  const own = signal(found ?? initial);
  effect(() => {
    try {
      if (own.value === initial) sessionStorage.removeItem(name);
      else sessionStorage.setItem(name, own.value);
    } catch {
      // too large to be kept: it is lost with the page
    }
  });
  return own;
}

export const ownText = kept('text', '');
export const ownSource = kept('engine', '');
export const settings = signal<Settings>(fromAddress(location.hash));

const TABS = ['train', 'generate', 'inside', 'ladder', 'race', 'engine'] as const;
export type Tab = (typeof TABS)[number];
const named = new URLSearchParams(location.hash.slice(1)).get('tab');
export const tab = signal<Tab>(TABS.find((known) => known === named) ?? 'train');

effect(() => {
  const hash = toAddress(settings.value, tab.value);
  if (hash !== location.hash.slice(1))
    history.replaceState(null, '', hash ? `#${hash}` : location.pathname + location.search);
});
addEventListener('hashchange', () => {
  settings.value = fromAddress(location.hash);
});

export const wantedNow = () => wanted(settings.value, { text: ownText.value, source: ownSource.value });
export const setValue = (name: string, value: string) => {
  settings.value = { ...settings.value, values: { ...settings.value.values, [name]: value } };
};
