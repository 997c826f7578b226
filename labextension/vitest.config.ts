import { fileURLToPath } from 'node:url';

import { defineConfig } from 'vitest/config';

const NO_WEB_COMPONENTS = fileURLToPath(new URL('test/sidebar/no_web_components.ts', import.meta.url));

export default defineConfig({
  plugins: [
    {
      // As JupyterLab's own builder does: an icon is its text.
      name: 'svg',
      enforce: 'pre',
      transform: (source, id) => (id.endsWith('.svg') ? `export default ${JSON.stringify(source)};` : undefined)
    }
  ],
  resolve: { mainFields: ['module', 'main'], alias: [{ find: /^@jupyter\/(react|web)-components$/, replacement: NO_WEB_COMPONENTS }] },
  // They are written for a bundler: their imports have no extensions.
  test: { server: { deps: { inline: [/node_modules\/(@jupyter|@jupyterlab|@rjsf|lodash)/] } } }
});
