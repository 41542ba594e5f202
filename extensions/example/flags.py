"""Feature flags, which administrators change while the application runs. Their keys begin with the extension's name."""

from undercroft.modules.flags import Flag

CALENDARS = Flag("example.calendars", description="Calendars of rooms, for calendar applications.", default=True)
