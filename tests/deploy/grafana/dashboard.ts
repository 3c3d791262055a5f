// What a dashboard file for Grafana may hold, as strict as Grafana's own types allow: each panel type with its own options and
// fields, each query with those of the Prometheus data source. Where @grafana/schema says "any string" or "unknown" (names of
// calculations, matchers and transformations, which live in @grafana/data), the few that are used here are spelled out.
//
// schema.json beside this file is made from it, with additional properties refused:
//   npm install @grafana/schema@13.2.3 typescript@5.6
//   npx ts-json-schema-generator@2.10 --path dashboard.ts --type File --no-top-ref --expose none --jsDoc none --minify --out schema.json
// Both packages' types are under the Apache License 2.0.

import type * as raw from '@grafana/schema/dist/types/raw/dashboard/x/types.gen';
import type * as common from '@grafana/schema/dist/types/common/common.gen';
import type * as heatmap from '@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen';
import type * as stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as table from '@grafana/schema/dist/types/raw/composable/table/panelcfg/x/types.gen';
import type * as timeseries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

type Calculation = 'lastNotNull' | 'last' | 'mean' | 'max' | 'min' | 'sum';

interface Source extends raw.DataSourceRef {
  type: 'prometheus';
  uid: string;
}

interface Query extends common.DataQuery {
  datasource: Source;
  editorMode: 'code';
  expr: string;
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  range: boolean;
  legendFormat?: string;
}

interface Organize {
  id: 'organize';
  options: {
    excludeByName: Record<string, boolean>;
    indexByName: Record<string, number>;
    renameByName: Record<string, string>;
  };
}

interface Merge {
  id: 'merge';
  options: Record<string, never>;
}

interface Matcher {
  id: 'byName' | 'byRegexp' | 'byFrameRefID';
  options: string;
}

type Property =
  | { id: 'color'; value: raw.FieldColor }
  | { id: 'decimals' | 'max' | 'min'; value: number }
  | { id: 'displayName' | 'noValue' | 'unit'; value: string }
  | { id: 'links'; value: Array<{ title: string; url: string; targetBlank?: boolean }> }
  | { id: 'mappings'; value: raw.ValueMapping[] }
  | { id: 'thresholds'; value: raw.ThresholdsConfig };

type GraphProperty =
  | { id: 'custom.axisLabel'; value: string }
  | { id: 'custom.axisPlacement'; value: common.AxisPlacement }
  | { id: 'custom.fillOpacity' | 'custom.lineWidth'; value: number }
  | { id: 'custom.lineStyle'; value: common.LineStyle }
  | { id: 'custom.stacking'; value: common.StackingConfig };

type TableProperty =
  | { id: 'custom.align'; value: common.FieldTextAlignment }
  | { id: 'custom.cellOptions'; value: TableCell }
  | { id: 'custom.width'; value: number };

interface Fields<Custom, CustomProperty> {
  defaults: Omit<raw.FieldConfig, 'actions' | 'custom' | 'links'> & { custom?: Custom };
  overrides: Array<{ matcher: Matcher; properties: Array<Property | CustomProperty> }>;
}

interface PanelOf<Type extends string, Options, Custom, CustomProperty = never>
  extends Omit<raw.Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource' | 'transformations' | 'libraryPanel'> {
  id: number;
  type: Type;
  title: string;
  description: string;
  gridPos: raw.GridPos;
  datasource: Source;
  targets: Query[];
  options: Options;
  fieldConfig: Fields<Custom, CustomProperty>;
  transformations?: Array<Organize | Merge>;
}

interface SomeCalculations {
  calcs: Calculation[];
}

// Under names of their own: the generator takes no two types of one name.
interface StatOptions extends Omit<stat.Options, 'reduceOptions'> {
  reduceOptions: SomeCalculations & Omit<common.ReduceDataOptions, 'calcs'>;
}
interface TimeSeriesOptions extends Omit<timeseries.Options, 'legend'> {
  legend: SomeCalculations & Omit<common.VizLegendOptions, 'calcs'>;
}
interface HeatmapOptions extends heatmap.Options {}
interface HeatmapFields extends heatmap.FieldConfig {}
interface TableOptions extends table.Options {}
type TableCell = common.TableAutoCellOptions | common.TableColorTextCellOptions | common.TableColoredBackgroundCellOptions;
interface TableFields extends Omit<common.TableFieldOptions, 'cellOptions'> {
  cellOptions: TableCell;
}

type StatPanel = PanelOf<'stat', StatOptions, Record<string, never>>;
type TimeSeriesPanel = PanelOf<'timeseries', TimeSeriesOptions, common.GraphFieldConfig, GraphProperty>;
type HeatmapPanel = PanelOf<'heatmap', HeatmapOptions, HeatmapFields>;
type TablePanel = PanelOf<'table', TableOptions, TableFields, TableProperty>;

type AnyPanel = StatPanel | TimeSeriesPanel | HeatmapPanel | TablePanel;

/** The panels of a collapsed row are checked like those outside: the test takes them out first. */
interface Row extends Omit<raw.RowPanel, 'panels'> {
  panels: never[];
}

/** Fields beyond the common ones are those of the Prometheus data source's annotation queries. */
interface Annotation extends Omit<raw.AnnotationQuery, 'datasource'> {
  datasource: Source;
  expr: string;
  step: string;
  titleFormat: string;
  textFormat: string;
}

export interface File extends Omit<raw.Dashboard, 'panels' | 'annotations' | 'snapshot'> {
  uid: string;
  title: string;
  panels: Array<AnyPanel | Row>;
  annotations: { list: Annotation[] };
}
