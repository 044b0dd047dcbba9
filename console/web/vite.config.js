import { sveltekit } from '@sveltejs/kit/vite'
import { defineConfig } from 'vite'

/** SvelteKit hides the region that reads page titles out by a style attribute, which the policy forbids: app.css does it. */
const withoutStyle = {
  name: 'without-style',
  enforce: 'pre',
  transform(code, id) {
    return id.endsWith('/generated/root.svelte')
      ? { code: code.replace(/ style="[^"]*"/, ''), map: null }
      : undefined
  },
}

export default defineConfig({
  plugins: [withoutStyle, sveltekit()],
  build: { target: 'es2022', reportCompressedSize: false },
})
