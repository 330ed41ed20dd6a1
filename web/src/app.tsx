/** The whole page: what is loaded, the settings, and a tab for each thing to do. */
import { useSignalEffect } from '@preact/signals';
import type { ComponentType } from 'preact';
import { useRef } from 'preact/hooks';
import { EngineView } from './engine';
import { Generate } from './generate';
import { Inside } from './inside';
import { LadderView } from './ladder';
import { Trouble } from './parts';
import { RaceView } from './race';
import { type Tab, tab } from './settings';
import { Setup } from './setup';
import { failure, fieldErrors, hello, loadedBytes, loading, notice, readyAfter } from './store';
import { scheme } from './theme';
import { Training } from './training';

const VIEWS: Record<Tab, [title: string, view: ComponentType]> = {
  train: ['Train', Training],
  generate: ['Generate', Generate],
  inside: ['Inside', Inside],
  ladder: ['Ladder', LadderView],
  race: ['Race', RaceView],
  engine: ['Your engine', EngineView],
};
const NAMES = Object.keys(VIEWS) as Tab[];

export function App() {
  const View = VIEWS[tab.value][1];
  return (
    <>
      <header class="top">
        <div>
          <h1>
            microgpt-bench <span>playground</span>
          </h1>
          <p>A tiny GPT, trained in this page by the same Python engines that the benchmark times.</p>
        </div>
        <button
          type="button"
          class="plain"
          aria-label={scheme.value === 'dark' ? 'Light colours' : 'Dark colours'}
          onClick={() => {
            scheme.value = scheme.value === 'dark' ? 'light' : 'dark';
          }}
        >
          {scheme.value === 'dark' ? '☀' : '☾'}
        </button>
        <Status />
      </header>
      <div class="page">
        <Setup />
        <main>
          <Tabs />
          <Trouble text={fieldErrors.value['']} />
          <div role="tabpanel" id="panel" aria-labelledby={`tab-${tab.value}`} class="views">
            <View />
          </div>
        </main>
      </div>
      <p class="unseen" role="status" aria-live="polite">
        {notice.value}
      </p>
      <footer>
        Everything runs here: no text, model or setting leaves this page. The command line has the same engines and the
        same data: <code>microgpt-bench train</code>.
      </footer>
    </>
  );
}

function Status() {
  if (failure.value) return <Trouble text={failure.value} />;
  const ready = hello.value;
  if (ready)
    return (
      <p class="status" data-ready="yes">
        CPython {ready.python} on WebAssembly, ready after {(readyAfter.value / 1000).toFixed(1)} s
      </p>
    );
  return (
    <p class="status">
      <label>
        Loading Python, {(loadedBytes.value / 1e6).toFixed(1)} of 13.5 MB
        <progress value={loading.value} max={1} />
      </label>
    </p>
  );
}

function Tabs() {
  const list = useRef<HTMLDivElement>(null);
  useSignalEffect(() => {
    const chosen = list.current?.querySelector<HTMLElement>(`#tab-${tab.value}`);
    // on a narrow screen the row of tabs scrolls; the page itself stays where it is
    if (chosen && list.current) list.current.scrollLeft = chosen.offsetLeft - list.current.offsetLeft - 40;
  });
  const move = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = NAMES[(NAMES.indexOf(tab.value) + step + NAMES.length) % NAMES.length] ?? 'train';
    tab.value = next;
    list.current?.querySelector<HTMLElement>(`#tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="What to do" ref={list} onKeyDown={move}>
      {NAMES.map((name) => (
        <button
          type="button"
          key={name}
          role="tab"
          id={`tab-${name}`}
          aria-selected={tab.value === name}
          aria-controls="panel"
          tabIndex={tab.value === name ? 0 : -1}
          onClick={() => {
            tab.value = name;
          }}
        >
          {VIEWS[name][0]}
        </button>
      ))}
    </div>
  );
}
