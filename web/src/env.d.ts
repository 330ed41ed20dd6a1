/** The folder of Pyodide's files beside the page, with a slash at its end. */
declare const __PYODIDE__: string;
