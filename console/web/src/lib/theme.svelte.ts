// Light, dark, or as the system has it. The choice stays on this machine.

export type Theme = 'system' | 'light' | 'dark'
const key = 'spa-reloader-console-theme'
const next: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' }

class Chosen {
  theme = $state<Theme>(read())

  constructor() {
    show(this.theme)
  }

  turn = (): void => {
    this.theme = next[this.theme]
    show(this.theme)
    try {
      if (this.theme === 'system') localStorage.removeItem(key)
      else localStorage.setItem(key, this.theme)
    } catch {
      // Without storage it holds until the tab is closed.
    }
  }
}

export const chosen = new Chosen()

function read(): Theme {
  try {
    const kept = localStorage.getItem(key)
    return kept === 'light' || kept === 'dark' ? kept : 'system'
  } catch {
    return 'system'
  }
}

function show(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
}
