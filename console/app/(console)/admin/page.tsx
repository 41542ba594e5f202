export { StatisticsPage as default } from "@/features/statistics/statistics";
