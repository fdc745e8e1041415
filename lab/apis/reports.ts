/** Reports: harmless summaries, and the payroll, which leaves production only when a person countersigns. */
import { type Api, created, found } from './api.ts';

/** Employees are numbers here: the lab has no people but its test accounts. */
const PAYROLL = [
  { employee: 'E-1001', grade: 'engineer', gross_eur: 5_400 },
  { employee: 'E-1002', grade: 'engineer', gross_eur: 6_150 },
  { employee: 'E-1003', grade: 'support', gross_eur: 3_900 },
  { employee: 'E-1004', grade: 'support', gross_eur: 4_050 },
  { employee: 'E-1005', grade: 'management', gross_eur: 8_200 },
];

const REPORTS = [
  { id: 'tickets-by-week', title: 'Support tickets by week', values: [212, 187, 203, 176] },
  { id: 'orders-by-week', title: 'Orders by week', values: [1_480, 1_552, 1_497, 1_610] },
];

export const reports: Api = {
  name: 'reports',
  title: 'Reports',
  description: 'Business reports and the payroll.',
  scopes: {
    'reports.read': 'Read business reports',
    'figures.follow': 'Follow figures while they change',
    'payroll.export': 'Export the payroll: grade and gross pay of every employee',
  },
  defaultScopes: ['reports.read'],
  sensitivity: { dev: 'moderate', test: 'moderate', prod: 'high' },
  open: (environment) => {
    let exports = 0;
    let imported = 0;
    return [
      {
        scope: 'reports.read',
        method: 'GET',
        path: '/reports',
        example: '/reports',
        perform: () => found({ reports: REPORTS }),
      },
      {
        scope: 'figures.follow',
        method: 'GET',
        path: '/figures',
        example: '/figures',
        perform: () => {
          imported += 1;
          return found({ rows_imported: imported * 1_000 });
        },
      },
      {
        scope: 'payroll.export',
        method: 'POST',
        path: '/payroll/exports',
        example: '/payroll/exports',
        perform: ({ token }) => {
          exports += 1;
          return created({
            id: `${environment}-payroll-${exports}`,
            exported_for: token.agent,
            rows: PAYROLL,
            total_gross_eur: PAYROLL.reduce((total, row) => total + row.gross_eur, 0),
          });
        },
      },
    ];
  },
};
