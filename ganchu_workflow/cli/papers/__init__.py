"""What a round leaves on paper: notice and announcement to print, lists, history, funnel, summary, and their folder."""
