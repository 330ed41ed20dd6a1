// Serves the page from the cache when there is no network. The page itself fills the cache.
self.addEventListener('install', () => self.skipWaiting());
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
self.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== 'GET' || url.origin !== location.origin) return;
  // what has a hash or a version in its name never changes; the rest is asked for anew where there is a network
  const fixed = /\/(assets|pyodide-[^/]+)\//.test(url.pathname);
  event.respondWith(fixed ? cached(event.request).then((found) => found ?? fetch(event.request)) : fresh(event.request));
});
const cached = (request) => caches.match(request, { ignoreSearch: true });
async function fresh(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const found = await cached(request);
    if (found) return found;
    throw error;
  }
}
