// Collections in pages, so that a long one neither fills the memory nor keeps the thread, which answers admissions too, from everything else.

import type { Api, ApiRequest, ApiResponse } from './api.ts'
import { nextOf } from './wire.ts'

const pageSize = 500 // client-go's

/** Yields the answers, one for each page; the last is the one that refuses, if one does (kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks). */
export async function* pagesOf(
  api: Pick<Api, 'request'>,
  request: ApiRequest,
): AsyncGenerator<ApiResponse, void> {
  let next = ''
  do {
    const query = { ...request.query, limit: pageSize, continue: next || undefined }
    const response = await api.request({ ...request, query })
    yield response
    next = response.status === 200 ? nextOf(response.body) : ''
  } while (next)
}
