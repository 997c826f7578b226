import './base.css';
import './panel.css';
import '../src/run_view/styles.css';
import './sections.css';
import './forms.css';
import './captured.css';
import '../src/comparison/comparison.css';
import './runs.css';
