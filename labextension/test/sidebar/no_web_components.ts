/** In place of Jupyter's web components, which want a browser's style sheets; no test looks at one. */
export const Button = 'button';
export const Search = 'input';
export const addJupyterLabThemeChangeListener = () => undefined;
export const jpButton = () => undefined;
export const jpToolbar = () => undefined;
export const provideJupyterDesignSystem = () => ({ register: () => undefined });
