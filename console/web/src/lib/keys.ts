// What a key asks for. None does anything while somebody writes, or with a modifier that the browser has its own use for.

import { keepChoice, readChoice } from './choice.ts'

export type Command = 'filter' | 'down' | 'up' | 'open' | 'help' | 'back' | 'follow' | 'pause' | 'end'

const commands: Record<string, Command> = {
  '/': 'filter',
  j: 'down',
  k: 'up',
  Enter: 'open',
  '?': 'help',
  u: 'back',
  f: 'follow',
  p: 'pause',
  G: 'end',
}

/** What the key asks the page for: nothing while a dialog is before it, or where keys are switched off. */
export function pressedCommand(event: KeyboardEvent): Command | undefined {
  if (!areOn || document.querySelector('dialog:modal')) return undefined
  return commandOf(event, document.activeElement as HTMLElement | null)
}

let areOn = readChoice('keys') !== 'off'

export function areKeysOn(): boolean {
  return areOn
}

/** Whoever speaks to the browser, or types by accident, may do without (WCAG 2.2, 2.1.4). */
export function switchKeys(on: boolean): void {
  areOn = on
  keepChoice('keys', on ? null : 'off')
}

interface Pressed {
  key: string
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
  isComposing: boolean
}

/** Takes the key and the element that has the focus. */
export function commandOf(
  event: Pressed,
  focused: { tagName: string; isContentEditable: boolean } | null,
): Command | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return undefined
  if (focused && (focused.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(focused.tagName)))
    return undefined
  // A link or a button has its own meaning for Enter.
  if (event.key === 'Enter' && focused && ['A', 'BUTTON', 'SUMMARY'].includes(focused.tagName))
    return undefined
  return commands[event.key]
}
