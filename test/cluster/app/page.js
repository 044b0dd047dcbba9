// The sample app's page. It shows the version that it was built with, and notes what it sees in sessionStorage, where that outlives a
// reload and no other tab's notes come between: its own loads, restores from the back/forward cache, what the client tells it, and scripts that
// did not come or did not run.

/**
 * @param {string} version what it shows
 * @param {{ head?: string, isAuto?: boolean }} [options] HTML of the app's own, and whether the page may reload by itself
 */
export function pageOf(version, { head = '', isAuto = false } = {}) {
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>version ${version}</title>
    ${head}
    <script>
      {
        const note = (what, target, why) => {
          const notes = JSON.parse(sessionStorage.getItem('notes') ?? '[]')
          const { id = '', revision = 0 } = target ?? {}
          const since = Date.now() - (what === 'load' ? performance.now() : 0)
          notes.push({ at: Date.now(), since, what, version: '${version}', id, revision, why })
          sessionStorage.setItem('notes', JSON.stringify(notes))
        }
        note('load')
        addEventListener('error', ({ target, message }) => note('failed', null, message ?? target.src), true)
        addEventListener('pageshow', event => event.persisted && note('restored'))
        for (const what of ['update', 'withdrawn', 'updated'])
          addEventListener('spa-reloader:' + what, ({ detail }) => note(what, detail.target))
      }
    </script>
    <script src="/__spa/client.js" data-auto="${isAuto}" defer></script>
    <script type="module" src="/assets/main-${version}.js"></script>
  </head>
  <body>
    <h1 id="version">${version}</h1>
  </body>
</html>
`
}
