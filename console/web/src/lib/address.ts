// Where things are: the pages behind the #, the API beside the document.

/** `#/apps/shop/web`. */
export function appHref(id: string): string {
  return `#/apps/${id.split('/').map(encodeURIComponent).join('/')}`
}

/** Of `shop/web@7`: `#/deploys/shop/web/7`. */
export function deployHref(id: string): string {
  const at = id.lastIndexOf('@')
  return `${appHref(id.slice(0, at)).replace('apps', 'deploys')}/${encodeURIComponent(id.slice(at + 1))}`
}

/** What stands behind the `?` in the part behind the #. */
export function queryOf(hash: string): string {
  const at = hash.indexOf('?')
  return at < 0 ? '' : hash.slice(at + 1)
}

/** Takes the API's path without a slash in front, each part encoded. */
export function apiUrl(path: string, base: string = location.href): string {
  return new URL(`api/${path}`, base).href
}
