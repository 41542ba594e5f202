export { ScheduleList as default } from "@/features/schedules/list";
