/** What the page and its workers say to one another. What an order does stands in python/playground.py. */

export interface EngineInfo {
  name: string;
  summary: string;
  change: string;
  parity: string;
  unavailable: string | null;
  scalar: boolean;
}

export interface Hello {
  python: string;
  build: string;
  engines: EngineInfo[];
  presets: Record<string, Record<string, number | string | boolean>>;
  lists: string[];
}

export interface Description {
  documents: number;
  characters: string;
  tokens: number;
  shortest: number;
  longest: number;
  median: number;
  histogram: [number, number][];
  preview: string[];
  cut: string;
}

export interface Checked {
  parameters: number;
  megabytes: number;
  cut: string;
  uniform: number;
}

export interface About {
  parameters: number;
  documents: number;
  held_out: number;
  characters: string;
  cut: string;
  steps: number;
  engine: string;
  config: Record<string, number | string | boolean | null>;
  trainable: boolean;
  matrices: string[];
  gradients?: number;
}

export interface StepRecord {
  step: number;
  loss: number;
  hex: string;
  rate: number;
  ms: number;
  validation?: number;
  samples?: string[];
  norms?: Record<string, number>;
  document?: string;
  reference?: string;
}

export type Token = [sample: number, position: number, token: string, probability: number, best: [string, number][]];

/** The settings as Python takes them. */
export interface Wanted {
  data: string;
  text: string | null;
  blocks: boolean;
  engine: string;
  source: string;
  steps: number | string;
  options: Record<string, number | string | boolean | null>;
}

export interface Order {
  id: number;
  do: string;
  [argument: string]: unknown;
}

export type Answer =
  | { id: number; result: unknown }
  | { id: number; error: string; field: string | null; fault: boolean }
  | { event: 'progress'; loaded: number; total: number }
  | { event: 'step'; id: number; record: StepRecord };
