"""What people see of a search: tables, plots, HTML; pure."""
