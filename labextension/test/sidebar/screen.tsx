import React, { act } from 'react';
import { createRoot } from 'react-dom/client';
import { afterEach } from 'vitest';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const ends: (() => void)[] = [];

afterEach(() => {
  ends.splice(0).forEach(end => end());
  localStorage.clear();
});

/** A component on a page of its own, and what a user does with it. */
export class Screen {
  readonly node = document.createElement('div');
  private readonly root = createRoot(this.node);

  constructor(shown: React.ReactElement) {
    document.body.append(this.node);
    ends.push(() => {
      act(() => this.root.unmount());
      this.node.remove();
    });
    this.show(shown);
  }

  show(shown: React.ReactElement): void {
    act(() => this.root.render(shown));
  }

  /** By its label, as a screen reader finds it. */
  field(label: string): HTMLInputElement {
    const byLabel = [...this.node.querySelectorAll('label')].find(found => found.textContent === label)?.htmlFor;
    const inputs = [...this.node.querySelectorAll<HTMLInputElement>('input, select')];
    const found = inputs.find(input => (byLabel ? input.id === byLabel : input.getAttribute('aria-label') === label));
    return found ?? missing(`a field ${label}`);
  }

  button(label: string): HTMLButtonElement {
    const called = (found: HTMLElement) => (found.getAttribute('aria-label') ?? found.textContent ?? '').trim() === label;
    return [...this.node.querySelectorAll('button')].find(called) ?? missing(`a button ${label}`);
  }

  has(label: string): boolean {
    return [...this.node.querySelectorAll('button')].some(button => (button.getAttribute('aria-label') ?? button.textContent) === label);
  }

  type(label: string, text: string): void {
    const input = this.field(label);
    act(() => {
      input.focus();
      // React hears of a value only if it is set behind its back.
      Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input) as object, 'value')?.set?.call(input, text);
      input.dispatchEvent(new Event(input.tagName === 'SELECT' ? 'change' : 'input', { bubbles: true }));
    });
  }

  press(label: string, key: string): void {
    const input = this.field(label);
    act(() => void input.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })));
  }

  leave(label: string): void {
    act(() => this.field(label).blur());
  }

  click(label: string): void {
    act(() => this.button(label).click());
  }

  /** Does something of the kernel, and waits until the page has drawn it. */
  async hear(something: () => void): Promise<void> {
    await act(async () => something());
  }

  get alerts(): string[] {
    const found = this.node.querySelectorAll('[role=alert]');
    return [...found].map(node => node.textContent ?? '').filter(Boolean);
  }
}

function missing(what: string): never {
  throw new Error(`there is no ${what}`);
}
