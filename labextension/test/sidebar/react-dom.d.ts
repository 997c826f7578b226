/** The part of react-dom that tests use; it comes without types. */
declare module 'react-dom/client' {
  export function createRoot(node: Element): { render(shown: React.ReactNode): void; unmount(): void };
}
