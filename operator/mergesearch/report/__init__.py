"""What people see of a search: verdict, tables, plots, HTML; pure, but for `plots` and `page`."""
