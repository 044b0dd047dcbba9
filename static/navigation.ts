// Whether a request is for a page of the app, whatever its path: then the app's document is the answer. A script that is missing must never
// get it: browsers refuse it with an error that misleads, and caches keep it in the script's place.

export interface NavigationHeaders {
  accept: string | undefined
  mode: string | undefined
  destination: string | undefined
}

const assetExtension =
  /\.(?:[cm]?js|css|map|json|wasm|webmanifest|xml|txt|woff2?|ttf|otf|eot|png|jpe?g|gif|svg|webp|avif|ico|mp[34]|webm|og[gv]|vtt|pdf|zip|br|gz)$/i

/**
 * Takes a path that no file has. Browsers say what they do with it (Sec-Fetch-Mode, Sec-Fetch-Dest), on secure origins; elsewhere they take text/html
 * for pages only. Then a name that looks like an asset's is none of a page: nobody says more of it.
 */
export function isNavigation(path: string, { accept, mode, destination }: NavigationHeaders): boolean {
  if (mode === 'navigate') return true
  if (destination !== undefined && destination !== 'empty' && destination !== 'document') return false
  return takesHtml(accept ?? '') && !assetExtension.test(path)
}

/** RFC 9110 §12.5.1; what takes anything did not ask for a page. */
function takesHtml(accept: string): boolean {
  return accept.split(',').some(item => {
    const [type = '', ...parameters] = item
      .toLowerCase()
      .split(';')
      .map(part => part.trim())
    return type === 'text/html' && !parameters.some(parameter => /^q=0(?:\.0*)?$/.test(parameter))
  })
}
