/** A worker with Python in it, as the page talks to it. */
import type { Answer, Hello, StepRecord } from './protocol';

export class PythonError extends Error {
  constructor(
    message: string,
    readonly field: string | null,
    readonly fault: boolean,
  ) {
    super(message);
  }
}

interface Waiting {
  resolve: (result: never) => void;
  reject: (error: Error) => void;
  tell?: ((record: StepRecord) => void) | undefined;
}

export interface Competitor {
  ask<T>(what: string, order?: Record<string, unknown>, tell?: (record: StepRecord) => void): Promise<T>;
  terminate(): void;
}

/** Orders go to a worker one after the other; each has its answer, a training also what it tells of its steps. */
export class WorkerClient implements Competitor {
  private waiting = new Map<number, Waiting>();
  private last = 0;

  constructor(
    private worker: Worker,
    private progress: (share: number, loaded: number) => void = () => undefined,
  ) {
    worker.onmessage = ({ data }: MessageEvent<Answer>) => this.take(data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.fail(new PythonError(`the worker failed: ${event.message || 'its file did not load'}`, null, true));
    };
  }

  ask<T>(what: string, order: Record<string, unknown> = {}, tell?: (record: StepRecord) => void): Promise<T> {
    const id = ++this.last;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, tell });
      this.worker.postMessage({ ...order, do: what, id });
    });
  }

  /** Ends it at once, whatever it is doing; orders under way are refused. */
  terminate() {
    this.worker.terminate();
    this.fail(new PythonError('stopped', null, false));
  }

  private take(answer: Answer) {
    if ('event' in answer) {
      if (answer.event === 'step') this.waiting.get(answer.id)?.tell?.(answer.record);
      else this.progress(answer.loaded / answer.total, answer.loaded);
      return;
    }
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if ('error' in answer) waiting?.reject(new PythonError(answer.error, answer.field, answer.fault));
    else waiting?.resolve(answer.result as never);
  }

  private fail(error: Error) {
    for (const waiting of this.waiting.values()) waiting.reject(error);
    this.waiting.clear();
  }
}

/** A new Python; ``ready`` says what is in it. */
export function startPython(
  progress?: (share: number, loaded: number) => void,
): WorkerClient & { ready: Promise<Hello> } {
  return started<Hello>(progress, true);
}

/** One more Python, for a race or a check: nobody asks what is in it, so that it is there sooner. */
export const anotherPython = (): WorkerClient & { ready: Promise<unknown> } => started(undefined, false);

function started<T>(progress: ((share: number, loaded: number) => void) | undefined, hello: boolean) {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  const client = new WorkerClient(worker, progress);
  const ready = client.ask<T>('load', { base: new URL(__PYODIDE__, document.baseURI).href, hello });
  ready.catch(() => undefined); // whoever needs it sees the error
  return Object.assign(client, { ready });
}
