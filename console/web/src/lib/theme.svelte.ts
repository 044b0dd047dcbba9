// Light, dark, or as the system has it.

import { keepChoice, readChoice } from './choice.ts'

export type Theme = 'system' | 'light' | 'dark'
const next: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' }

class Chosen {
  theme = $state<Theme>(read())

  constructor() {
    show(this.theme)
  }

  turn = (): void => {
    this.theme = next[this.theme]
    show(this.theme)
    keepChoice('theme', this.theme === 'system' ? null : this.theme)
  }
}

export const chosen = new Chosen()

function read(): Theme {
  const kept = readChoice('theme')
  return kept === 'light' || kept === 'dark' ? kept : 'system'
}

function show(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
}
