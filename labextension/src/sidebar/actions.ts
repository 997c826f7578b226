import type { Document } from './types';

/** What a section asks of the page around it. */
export interface PageActions {
  /** Goes to the cell with this id, or else to the one whose label, such as "In[4]", people know; says so if it is gone. */
  showCell(cellId: string, label: string): void;
  /** Pins the live view of a run below the sections. */
  showRun(id: string): void;
  /** Shows a document beside the notebook. */
  showDocument(doc: Document): void;
}
