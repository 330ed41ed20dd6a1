import { render } from 'preact';
import '@picocss/pico/css/pico.min.css';
import './style.css';
import { App } from './app';
import { keepOffline } from './offline';

const place = document.getElementById('app');
if (place) render(<App />, place);
void keepOffline();
