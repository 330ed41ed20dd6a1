/** The autograd graph of a very short document, opened node by node from the loss down. */
import { graphlib, layout } from '@dagrejs/dagre';
import { signal } from '@preact/signals';
import { Card, Trouble, whole } from './parts';
import { PythonError } from './python';
import { about, hello, phase, python } from './store';

interface Node {
  id: number;
  operation: string;
  data: number;
  grad: number;
  leaf: boolean;
  parameter: boolean;
  local?: number;
}

interface Opened {
  node: Node;
  children: Node[];
}

const engine = signal('fused_dot');
const typed = signal('');
const count = signal(0);
const nodes = signal(new Map<number, Node>());
const opened = signal(new Map<number, Node[]>()); // a node's children, with the derivative along the way
const chosen = signal<number | null>(null);
const trouble = signal('');
const SHOWN = 24; // children of one node at most: a dot product has two for each summand

async function open() {
  try {
    const first = (about.value?.characters ?? '').trim().charAt(0);
    const found = await python.ask<Opened & { count: number }>('open_graph', {
      engine: engine.value,
      document: typed.value || first,
    });
    typed.value ||= first;
    count.value = found.count;
    nodes.value = new Map();
    opened.value = new Map();
    show(found);
    chosen.value = 0;
    trouble.value = '';
    for (const child of found.children.filter(({ leaf }) => !leaf).slice(0, 1)) await toggle(child.id);
    chosen.value = 0;
  } catch (error) {
    if (!(error instanceof PythonError)) throw error;
    trouble.value = error.message;
  }
}

function show({ node, children }: Opened) {
  const known = new Map(nodes.value).set(node.id, node);
  for (const child of children) known.set(child.id, child);
  nodes.value = known;
  opened.value = new Map(opened.value).set(node.id, children);
}

async function toggle(id: number) {
  chosen.value = id;
  if (nodes.value.get(id)?.leaf) return;
  if (opened.value.has(id)) {
    const fewer = new Map(opened.value);
    fewer.delete(id);
    opened.value = fewer;
    return;
  }
  show(await python.ask<Opened>('graph_node', { node: id }));
}

/** What can be seen: everything that is reached from the loss through opened nodes. */
function visible() {
  const seen = new Set<number>([0]);
  const edges: [from: number, to: number, local: number][] = [];
  for (const id of seen) {
    for (const child of (opened.value.get(id) ?? []).slice(0, SHOWN)) {
      seen.add(child.id);
      edges.push([id, child.id, child.local ?? 0]);
    }
  }
  return { seen, edges };
}

const short = (x: number) =>
  x === 0 ? '0' : Math.abs(x) >= 1e4 || Math.abs(x) < 1e-3 ? x.toExponential(1) : x.toPrecision(3);
const WIDTH = 104;
const HEIGHT = 50;

export function GraphView() {
  const scalar = hello.value?.engines.filter((one) => one.scalar && !one.unavailable) ?? [];
  return (
    <Card
      title="The autograd graph"
      aside={
        <button type="button" class="secondary" disabled={phase.value === 'running'} onClick={() => void open()}>
          Open the graph
        </button>
      }
    >
      <div class="fields">
        <div class="field">
          <label for="graph-document">Document</label>
          <input
            id="graph-document"
            value={typed.value}
            maxLength={4}
            aria-describedby="graph-error"
            onInput={(event) => {
              typed.value = event.currentTarget.value;
            }}
          />
          <small class="hint">one or two characters</small>
        </div>
        <div class="field">
          <label for="graph-engine">Engine</label>
          <select
            id="graph-engine"
            value={engine.value}
            onChange={(event) => {
              engine.value = event.currentTarget.value;
            }}
          >
            {scalar.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
          <small class="hint">each keeps a graph of its own</small>
        </div>
      </div>
      <Trouble id="graph-error" text={trouble.value} />
      {nodes.value.size > 0 && <Picture />}
    </Card>
  );
}

function Picture() {
  const { seen, edges } = visible();
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: 'LR', nodesep: 10, ranksep: 46 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of seen) graph.setNode(String(id), { width: WIDTH, height: HEIGHT });
  for (const [from, to] of edges) graph.setEdge(String(from), String(to));
  layout(graph);
  const size = graph.graph() as { width?: number; height?: number };
  const width = (size.width ?? 100) + 20;
  const height = (size.height ?? 100) + 20;
  const at = (id: number) => graph.node(String(id)) as { x: number; y: number };
  const now = chosen.value === null ? undefined : nodes.value.get(chosen.value);
  const hidden = now ? Math.max(0, (opened.value.get(now.id)?.length ?? 0) - SHOWN) : 0;
  return (
    <>
      <p class="hint">
        {whole(count.value)} nodes in all, {seen.size} shown. The loss is on the left: choose a node to see what it was
        made of, again to fold it.
      </p>
      <section class="scroll graph" aria-label="Autograd graph" tabIndex={0}>
        <svg width={width} height={height} viewBox={`-10 -10 ${width} ${height}`} data-testid="graph">
          <title>Autograd graph</title>
          {edges.map(([from, to, local]) => {
            const a = at(from);
            const b = at(to);
            const x = a.x + WIDTH / 2;
            const end = b.x - WIDTH / 2;
            return (
              <path
                key={`${from} ${to} ${local}`}
                d={`M${x} ${a.y} C${x + 23} ${a.y} ${end - 23} ${b.y} ${end} ${b.y}`}
              >
                <title>{`derivative ${local}`}</title>
              </path>
            );
          })}
          {[...seen].map((id) => {
            const node = nodes.value.get(id);
            if (!node) return null;
            const { x, y } = at(id);
            const kind = node.parameter
              ? 'parameter'
              : node.leaf
                ? 'constant'
                : opened.value.has(id)
                  ? 'open'
                  : 'closed';
            return (
              <g
                key={id}
                role="button"
                tabindex={0}
                class={`node ${kind} ${chosen.value === id ? 'chosen' : ''}`}
                transform={`translate(${x - WIDTH / 2} ${y - HEIGHT / 2})`}
                aria-label={`${node.operation}, value ${short(node.data)}, gradient ${short(node.grad)}`}
                aria-expanded={node.leaf ? undefined : opened.value.has(id)}
                onClick={() => void toggle(id)}
                onKeyDown={(event) => {
                  if (event.key === 'Enter' || event.key === ' ') {
                    event.preventDefault();
                    void toggle(id);
                  }
                }}
              >
                <rect width={WIDTH} height={HEIGHT} rx={8} />
                <text x={WIDTH / 2} y={15} class="operation">
                  {node.operation}
                </text>
                <text x={WIDTH / 2} y={30}>
                  {short(node.data)}
                </text>
                <text x={WIDTH / 2} y={44} class="grad">
                  ∂ {short(node.grad)}
                </text>
              </g>
            );
          })}
        </svg>
      </section>
      {now && (
        <p class="chosen-node" data-testid="node">
          <b>{now.operation}</b>: value {now.data}, gradient {now.grad}
          {now.leaf ? (now.parameter ? ', a weight of the model' : ', a constant') : ''}
          {hidden > 0 && `; ${hidden} more of its children are not drawn`}
        </p>
      )}
    </>
  );
}
