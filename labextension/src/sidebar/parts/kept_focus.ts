import { useEffect, useRef } from 'react';

const FOCUSABLE = 'a[href], button, input, select, summary, textarea';

/** Below each of an element's ancestors, the nearest first: which of those that can have the focus it was. */
type Place = [ancestor: Element, index: number][];

/** For a container: when what has the focus goes, such as a row that is removed, its neighbour gets the focus and not the page. */
export function useKeptFocus(): React.RefObject<HTMLDivElement> {
  const container = useRef<HTMLDivElement>(null);
  useEffect(() => (container.current ? keepFocus(container.current) : undefined), []);
  return container;
}

function keepFocus(container: HTMLElement): () => void {
  let last: Element | null = null;
  let place: Place = [];
  const remember = (focused: Element) => {
    last = focused;
    place = placeOf(focused, container);
  };
  const onFocus = (event: FocusEvent) => event.target instanceof Element && remember(event.target);
  // What loses the focus and stays, as where somebody clicks beside everything, is not to get it back.
  const onBlur = (event: FocusEvent) => {
    if (event.target instanceof Element && event.target.isConnected) {
      last = null;
    }
  };
  const observer = new MutationObserver(() => {
    const { activeElement, body } = document;
    if (last && last === activeElement) {
      remember(last);
    } else if (last && !last.isConnected && (!activeElement || activeElement === body)) {
      neighbour(place)?.focus();
    }
  });
  container.addEventListener('focusin', onFocus);
  container.addEventListener('focusout', onBlur);
  observer.observe(container, { childList: true, subtree: true });
  return () => {
    container.removeEventListener('focusin', onFocus);
    container.removeEventListener('focusout', onBlur);
    observer.disconnect();
  };
}

function placeOf(focused: Element, container: Element): Place {
  const place: Place = [];
  for (let above = focused.parentElement; above && container.contains(above); above = above.parentElement) {
    place.push([above, focusable(above).indexOf(focused as HTMLElement)]);
  }
  return place;
}

function neighbour(place: Place): HTMLElement | undefined {
  for (const [ancestor, index] of place) {
    const found = ancestor.isConnected ? focusable(ancestor) : [];
    if (found.length > 0) {
      return found[Math.min(Math.max(index, 0), found.length - 1)];
    }
  }
  return undefined;
}

function focusable(below: Element): HTMLElement[] {
  return [...below.querySelectorAll<HTMLElement>(FOCUSABLE)].filter(found => !found.matches(':disabled') && !found.closest('[hidden]'));
}
